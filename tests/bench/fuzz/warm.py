"""Warm workers: started when needed, watched while they work, killed when they hang or take too much memory."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

_ENDS_AFTER: Final = 150
"""Jobs after which a worker is replaced: what it has gathered is no part of a run."""
_LOOK: Final = 0.1  # seconds between two looks at its memory
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class WorkerDied(Exception):  # noqa: N818 - an event more than an error
    """`reason` is "signal", "hang" or "memory"; `detail` says more, `code` is the exit code."""

    def __init__(self, reason: str, detail: str, code: int | None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.code = reason, detail, code


class Warm:
    """One worker of a role; a context manager. `most_mb` is where it is killed lest the machine suffers."""

    def __init__(self, role: str, temporary: Path, most_mb: float, patience: float) -> None:
        self._role, self._temporary = role, temporary
        self._most_mb, self._patience = most_mb, patience
        self._process: subprocess.Popen[bytes] | None = None
        self._jobs = 0

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def do(self, job: dict[str, Any]) -> dict[str, Any]:
        """The answer. Raises WorkerDied; the next job gets a new worker."""
        if self._process is None or self._jobs >= _ENDS_AFTER:
            self._end()
            self._begin()
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        self._jobs += 1
        with contextlib.suppress(BrokenPipeError):  # it has died meanwhile, which is seen below
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        deadline = time.monotonic() + self._patience
        while not select.select([process.stdout], [], [], _LOOK)[0]:
            if time.monotonic() > deadline:
                raise self._killed("hang", f"{self._patience:g} s")
            if (mb := _memory(process.pid)) > self._most_mb:
                raise self._killed("memory", f"killed at {mb:.0f} MB")
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            code = process.wait(10)
            self._end()
            raise WorkerDied("signal", f"exit code {code}", code)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def signal(self, number: int) -> None:
        """Send the worker a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def _begin(self) -> None:
        environment = os.environ | {"TMPDIR": str(self._temporary), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.fuzz.worker", self._role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=Path(__file__).parents[3],
        )
        self._jobs = 0

    def _killed(self, reason: str, detail: str) -> WorkerDied:
        self._end()
        return WorkerDied(reason, detail, None)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _memory(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 2**20
    except (OSError, IndexError):
        return 0.0
