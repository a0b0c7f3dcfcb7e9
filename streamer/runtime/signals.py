"""Turns Ctrl-C, SIGTERM and a lost terminal into a flag that the main thread checks at a safe point."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts(hangup: bool = False) -> Iterator[threading.Event]:
    """Yields an event that SIGINT and SIGTERM set; a second signal raises KeyboardInterrupt at once.

    With `hangup`, SIGHUP sets it too, unless the program was started to ignore it (nohup).

    An event is safer than an exception, which can strike after a thread has started and before its owner has noted it.
    Main thread only. Leaving the block restores the previous handlers.
    """
    asked = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    kinds = [signal.SIGINT, signal.SIGTERM]
    if hangup and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        kinds.append(signal.SIGHUP)
    before = {kind: signal.signal(kind, handle) for kind in kinds}
    try:
        yield asked
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
