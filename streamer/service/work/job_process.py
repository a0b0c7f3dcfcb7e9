"""A job's process as its worker sees it: started, listened to, watched, ended."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final

from streamer.service.work.task import LINE, Said, Task

_MODULE: Final = "streamer.service.work.process"
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_END: Final = 5.0  # seconds for the kernel to end a process that was killed


class JobProcess:
    """Runs a task as a context manager; leaving it kills the process. One thread only, which must outlive it."""

    def __init__(self, task: Task) -> None:
        """Raises OSError if it cannot be started."""
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=task.folder,
            env={name: os.environ[name] for name in _KEPT if name in os.environ} | threads,
            start_new_session=True,  # Ctrl-C is for the server, which ends this in its own way
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._out = self._process.stdout.fileno()
        self._rest = b""
        self._talks = True
        with contextlib.suppress(BrokenPipeError):  # it has died already, which its exit code tells
            self._process.stdin.write(task.line())
            self._process.stdin.close()

    def __enter__(self) -> JobProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def listen(self, timeout: float) -> list[Said]:
        """What it says within `timeout` seconds, as soon as it says something. Raises ValueError for nonsense."""
        if not self._talks:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
            return []
        ready, _, _ = select.select([self._out], [], [], timeout)
        if not ready:
            return []
        got = os.read(self._out, LINE)
        self._talks = bool(got)
        *lines, self._rest = (self._rest + got).split(b"\n")
        if len(self._rest) > LINE:
            raise ValueError("a line without end")
        return [Said.read(line) for line in lines]

    @property
    def exit_code(self) -> int | None:
        """Negative: the signal that ended it. None while it runs, or while it may have something left to say."""
        return None if self._talks else self._process.poll()

    def memory(self) -> int:
        """Bytes of memory that it has at the moment; 0 if it has ended."""
        try:
            fields = Path(f"/proc/{self._process.pid}/statm").read_text().split()
        except OSError:
            return 0
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
