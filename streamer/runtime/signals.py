"""Ctrl-C, SIGTERM and a lost terminal as a request that the main thread meets where nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts(hangup: bool = False) -> Iterator[threading.Event]:
    """SIGINT and SIGTERM set the event that is given; a second one raises KeyboardInterrupt at once.

    With `hangup` SIGHUP does so, too, unless the program was started to ignore it (nohup).

    An exception out of nowhere can strike between the start of a thread and its owner's knowing of it. For the main
    thread only; leaving the `with` block puts the handlers back that were there.
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
