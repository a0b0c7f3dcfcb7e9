"""`veilcast serve` as users run it: in its own process, which can be killed and started again on the same data."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

PROGRAM: Final = Path(sys.executable).with_name("veilcast")
WAIT: Final = 60.0  # seconds to start, on a busy machine
_OPEN: Final = re.compile(r"open (http://\S+) in a browser")
_SUBREAPER: Final = 36  # prctl


class ServeProcess:
    """A context manager that ends it with SIGKILL. Meanwhile, processes that it leaves behind become this one's."""

    def __init__(self, data: Path, log: Path, *options: str, prefix: Sequence[str] = ()) -> None:
        """`prefix`: a command that becomes the service, such as `taskset`."""
        self._command = [*prefix, str(PROGRAM), "serve", "--listen", "127.0.0.1:0", "--data", str(data), *options]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._begins = 0
        self.url: str | None = None
        """Where it answers; None while it does not run. It changes with each start."""

    def __enter__(self) -> ServeProcess:
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        ctypes.CDLL(None).prctl(_SUBREAPER, 0, 0, 0, 0)

    @property
    def pid(self) -> int:
        """Of its first process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said on standard error since its first start."""
        return self._log.read_text("utf-8", "replace")

    def spawn(self) -> None:
        """Start it without waiting until it can be reached."""
        assert self._process is None
        with self._log.open("ab") as log:
            self._begins = log.tell()
            self._process = subprocess.Popen(self._command, stderr=log, stdout=subprocess.DEVNULL)

    def look(self) -> bool:
        """Whether it can be reached by now. Raises AssertionError if it has ended by itself."""
        assert self._process is not None
        assert self._process.poll() is None, f"it ended by itself: {self.log[-2000:]}"
        found = _OPEN.search(self._log.read_bytes()[self._begins :].decode("utf-8", "replace"))
        if found is not None:
            self.url = found[1].rstrip("/")
        return found is not None

    def start(self) -> str:
        """Start it; returns where it answers."""
        self.spawn()
        end = time.monotonic() + WAIT
        while not self.look():
            assert time.monotonic() < end, f"it does not start: {self.log[-2000:]}"
            time.sleep(0.05)
        assert self.url is not None
        return self.url

    def kill(self) -> list[str]:
        """SIGKILL; the command lines of the processes that it has left behind and that do not die by themselves."""
        process, self._process, self.url = self._process, None, None
        if process is None:
            return []
        process.kill()
        process.wait(WAIT)
        return _left_behind()

    def stop(self) -> tuple[int, float, list[str]]:
        """SIGTERM; exit code, seconds that it took, and what it has left behind."""
        process, self._process, self.url = self._process, None, None
        assert process is not None
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait(WAIT)
        return code, time.monotonic() - begun, _left_behind()


def _left_behind(patience: float = 5.0) -> list[str]:
    """Children of children that are ours by now and still live. They are ended."""
    end = time.monotonic() + patience
    while left := [pid for pid in _children() if _is_of_service(pid)]:
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    told = [_words(pid) for pid in left]
    for pid in left:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return told


def _children() -> list[int]:
    """Children of this process that live; those of the service that have died are taken leave of."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return [pid for pid in found if not _dead(pid)]


def _dead(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    if state == "Z" and _is_orphan(pid):
        with suppress(OSError):
            os.waitpid(pid, os.WNOHANG)
    return state == "Z"


def _is_orphan(pid: int) -> bool:
    """Whether it is none of those that this process has started itself: they are sessions of their own."""
    with suppress(OSError):
        return os.getsid(pid) == pid
    return False


def _is_of_service(pid: int) -> bool:
    return "streamer.service" in _words(pid)


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""
