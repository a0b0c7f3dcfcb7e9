"""`veilcast live` in its own process, with its log, metrics and resource usage."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from prometheus_client.parser import text_string_to_metric_families

WAIT = 60.0


@dataclass(frozen=True)
class Load:
    """Resource usage of a process: resident memory in MB, threads, open file descriptors."""

    rss: float
    threads: int
    fds: int


class LiveProcess:
    """A context manager. `module` is what Python runs: the real command line, or the one with fault injection."""

    def __init__(self, arguments: list[str], module: str = "streamer.cli.main") -> None:
        self._command = [sys.executable, "-m", module, *(["live"] if module == "streamer.cli.main" else []), *arguments]
        self.said: deque[str] = deque(maxlen=20_000)
        """Its lines on stderr."""
        self._job: subprocess.Popen[str] | None = None

    def __enter__(self) -> LiveProcess:
        self._job = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._job is not None and self._job.stdin is not None
        self._job.terminate()
        try:
            self._job.wait(15)
        except subprocess.TimeoutExpired:
            self._job.kill()
            self._job.wait(15)
        self._job.stdin.close()

    @property
    def pid(self) -> int:
        assert self._job is not None
        return self._job.pid

    @property
    def exit_code(self) -> int | None:
        assert self._job is not None
        return self._job.poll()

    def tell(self, line: str) -> None:
        """Send a command to the fault injector."""
        assert self._job is not None and self._job.stdin is not None
        self._job.stdin.write(line + "\n")
        self._job.stdin.flush()

    def until(self, done: Callable[[], bool], what: str, timeout: float = WAIT) -> None:
        """Return once `done`; raises RuntimeError with what it said when it ends before, or time is over."""
        deadline = time.monotonic() + timeout
        while not done():
            if self.exit_code is not None or time.monotonic() > deadline:
                raise RuntimeError(f"not {what}; exit code {self.exit_code}\n" + "\n".join(list(self.said)[-40:]))
            time.sleep(0.05)

    def address(self, scheme: str) -> str:
        """The stream's address, from its log."""

        def found() -> list[str]:
            return re.findall(rf"watch ({scheme}://[^\s\"]+)", "\n".join(list(self.said)))

        self.until(lambda: bool(found()), "listening")
        return found()[-1]

    def metrics(self) -> dict[str, float]:
        """Values of /metrics, by `name{value of the last label}`, without `veilcast_` and the stream."""
        base = self.address("http").rpartition("/")[0]
        with urllib.request.urlopen(f"{base}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        values: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = [value for name, value in sample.labels.items() if name != "stream"]
                name = sample.name.removeprefix("veilcast_") + (f"{{{labels[-1]}}}" if labels else "")
                values[name] = sample.value
        return values

    def load(self) -> Load:
        """Current resource usage."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = {name: int(re.findall(rf"^{name}:\s*(\d+)", status, re.MULTILINE)[0]) for name in ("VmRSS", "Threads")}
        return Load(found["VmRSS"] / 1024, found["Threads"], len(os.listdir(f"/proc/{self.pid}/fd")))  # noqa: PTH208

    def _listen(self) -> None:
        assert self._job is not None and self._job.stderr is not None
        with self._job.stderr as lines:
            for line in lines:
                self.said.append(line.rstrip())
