"""A Celery worker as its node sees it: started, watched, drained, ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from typing import Final

from streamer.cluster.order import Order

_MODULE: Final = "streamer.cluster.process"
_LINE: Final = 4096


class CeleryProcess:
    """Runs an order from when it is made. The thread that makes it must outlive it."""

    def __init__(self, order: Order) -> None:
        """Raises OSError if it cannot be started."""
        self.queue, self.begun = order.queue, time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(order.stopping,),
            start_new_session=True,  # Ctrl-C is for the node, which ends this in its own way
        )
        self._ready = False
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died already, which its exit code tells
            self._process.stdin.write(order.line())
            self._process.stdin.close()

    @property
    def ready(self) -> bool:
        """Whether it has begun to take messages."""
        assert self._process.stdout is not None
        if not self._ready and select.select([self._process.stdout], [], [], 0)[0]:
            self._ready = bool(os.read(self._process.stdout.fileno(), _LINE))
        return self._ready

    @property
    def exit_code(self) -> int | None:
        """Negative: the signal that ended it. None while it runs."""
        return self._process.poll()

    def drain(self) -> None:
        """No new messages from now on; it ends when the tasks that run have ended."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)

    def close(self, timeout: float) -> None:
        """Wait for its end, for so many seconds; then it and all its processes are killed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its children would otherwise learn of its end one by one
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
