"""Ctrl-C and SIGTERM as a request that the main thread meets where nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """SIGINT and SIGTERM set the event that is given; a second one raises KeyboardInterrupt at once.

    An exception out of nowhere can strike between the start of a thread and its owner's knowing of it. For the main
    thread only; leaving the `with` block puts the handlers back that were there.
    """
    asked = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {kind: signal.signal(kind, handle) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
