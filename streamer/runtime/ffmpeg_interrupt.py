"""Interrupts a thread that is blocked in FFmpeg.

PyAV passes FFmpeg a callback that compares PyAV's clock with the timeout of the current call, and offers no other way
to interrupt it. So we replace PyAV's clock: for a thread that should stop, every timeout has expired.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import av.container.core

_LONG: Final = 1e9  # seconds: longer than any timeout


@dataclass
class _Caller:
    interrupt: threading.Event
    calls: int = 0


class _Clock:
    """Replaces the module `time` inside PyAV."""

    def __init__(self) -> None:
        self.callers: dict[int, _Caller] = {}

    def monotonic(self) -> float:
        """The real time; for a thread that should stop, a time that leaps ahead with every call."""
        caller = self.callers.get(threading.get_ident())
        if caller is None or not caller.interrupt.is_set():
            return time.monotonic()
        # PyAV may also take the start of a timeout from this clock, so a constant offset would never expire it.
        caller.calls += 1
        return time.monotonic() + caller.calls * _LONG


_clock: Final = _Clock()


@contextmanager
def interruptible(interrupt: threading.Event) -> Iterator[None]:
    """Inside the block, this thread's open and read calls that have a timeout end soon after `interrupt` is set."""
    vars(av.container.core)["time"] = _clock
    _clock.callers[threading.get_ident()] = _Caller(interrupt)
    try:
        yield
    finally:
        del _clock.callers[threading.get_ident()]
