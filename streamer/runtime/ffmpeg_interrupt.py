"""Lets a thread that FFmpeg blocks be called back at once.

PyAV gives FFmpeg a callback that compares PyAV's clock with the time-out of the call that is under way, and offers no
other way to interrupt one. So PyAV is given a clock on which, for a thread that is to stop, every time-out is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import av.container.core

_LONG: Final = 1e9  # seconds: longer than any time-out


@dataclass
class _Caller:
    interrupt: threading.Event
    looks: int = 0


class _Clock:
    """Stands in for the module `time` inside PyAV."""

    def __init__(self) -> None:
        self.callers: dict[int, _Caller] = {}

    def monotonic(self) -> float:
        """The time, far later with every look for a thread that is to stop."""
        caller = self.callers.get(threading.get_ident())
        if caller is None or not caller.interrupt.is_set():
            return time.monotonic()
        # PyAV may take the start of the time-out from here too: only progress makes it end.
        caller.looks += 1
        return time.monotonic() + caller.looks * _LONG


_clock: Final = _Clock()


@contextmanager
def interruptible(interrupt: threading.Event) -> Iterator[None]:
    """In the `with` block, calls of this thread that open or read with a time-out end soon after `interrupt` is set."""
    vars(av.container.core)["time"] = _clock
    _clock.callers[threading.get_ident()] = _Caller(interrupt)
    try:
        yield
    finally:
        del _clock.callers[threading.get_ident()]
