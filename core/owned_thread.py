"""A named thread that someone owns, stops and joins."""

from __future__ import annotations

import atexit
import threading
import time
import traceback
from collections.abc import Callable

POLL = 0.2  # seconds: no wait in such a thread is longer without a look at `stopping`


class OwnedThread:
    """Runs `work` in a thread called `name`; `work` looks at `stopping` at least every `POLL` seconds.

    What `work` raises is kept in `error` for the owner. A thread that outlives the interpreter aborts the process,
    so it is also stopped and joined at exit, even where an interrupt struck before anyone could own it.
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
        """Start the thread, once. Raises RuntimeError where the system has none to give."""
        atexit.register(self.close)
        self._launched = True
        try:
            self._thread.start()
        except RuntimeError:
            self._launched = False
            atexit.unregister(self.close)
            raise

    def close(self, timeout: float = 5.0) -> bool:
        """Stop and join; False when `work` did not end within `timeout` seconds. May be called twice."""
        self.stopping.set()
        if not self._launched:
            return True
        deadline = time.monotonic() + timeout
        # An interrupted `start` leaves a thread that is on its way but cannot be joined yet.
        if self._began.wait(timeout):
            self._thread.join(max(0.0, deadline - time.monotonic()))
        ended = self._began.is_set() and not self._thread.is_alive()
        atexit.unregister(self.close)
        if not ended:  # who has waited already need not wait as long again
            atexit.register(self.close, 0.5)
        return ended

    def _run(self) -> None:
        self._began.set()
        if self.stopping.is_set():
            return
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - it is the owner's to handle
            self.error = error
            traceback.clear_frames(error.__traceback__)
        finally:
            # A network or pictures that `work` held must not stay in a cycle until the garbage collector comes by:
            # `work` is its owner's method, and an error's frames refer to this thread, which refers to the error.
            del self._work, self


def one_line(error: BaseException) -> str:
    """One line that names the error's kind and says what it says."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
