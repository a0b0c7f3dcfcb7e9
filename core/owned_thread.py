"""A named thread with an owner that stops and joins it."""

from __future__ import annotations

import atexit
import threading
import time
import traceback
from collections.abc import Callable

POLL = 0.2  # seconds; the longest such a thread may wait without checking `stopping`


class OwnedThread:
    """Runs `work` in a thread called `name`; `work` must check `stopping` at least every `POLL` seconds.

    An exception from `work` is kept in `error` for the owner. A thread that outlives the interpreter aborts the
    process, so it is also stopped and joined at exit, even if an interrupt came before anyone owned it.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self.error: BaseException | None = None
        self._work = work
        self._began = threading.Event()
        self._launched = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        """Whether `work` is still running."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; call once. Raises RuntimeError if the system cannot create one."""
        atexit.register(self.close)
        self._launched = True
        try:
            self._thread.start()
        except RuntimeError:
            self._launched = False
            atexit.unregister(self.close)
            raise

    def close(self, timeout: float = 5.0) -> bool:
        """Stop and join; False if `work` did not end within `timeout` seconds. May be called twice."""
        self.stopping.set()
        if not self._launched:
            return True
        deadline = time.monotonic() + timeout
        # An interrupted `start` leaves a thread that is starting but cannot be joined yet.
        if self._began.wait(timeout):
            self._thread.join(max(0.0, deadline - time.monotonic()))
        ended = self._began.is_set() and not self._thread.is_alive()
        atexit.unregister(self.close)
        if not ended:  # the next wait need not be as long
            atexit.register(self.close, 0.5)
        return ended

    def _run(self) -> None:
        self._began.set()
        if self.stopping.is_set():
            return
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the owner handles it
            self.error = error
            traceback.clear_frames(error.__traceback__)
        finally:
            # Break the reference cycle, so that a network or pictures held by `work` are freed without waiting for the
            # garbage collector: `work` is a method of the owner, and the error's stack frames refer to this thread,
            # which refers to the error.
            del self._work, self


def one_line(error: BaseException) -> str:
    """The error's type and message on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
