"""Recent faults: each with its first and last occurrence and a count, until it is over. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

CURRENT: float = 60.0
"""Seconds without a recurrence after which a fault is over."""

MOST = 5  # different faults at a time


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault: `text` is one line without credentials, `since` and `last` are seconds of `time.time()`."""

    text: str
    since: float
    last: float
    count: int = 1


class Faults:
    """The faults that are not over yet, most recent last. Not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._faults: dict[str, Fault] = {}

    def add(self, text: str) -> None:
        """Record an occurrence now."""
        now = self._clock()
        self._forget(now)
        known = self._faults.pop(text, None)
        self._faults[text] = Fault(text, now, now) if known is None else replace(known, last=now, count=known.count + 1)
        while len(self._faults) > MOST:
            del self._faults[next(iter(self._faults))]

    def current(self) -> tuple[Fault, ...]:
        """The faults that occurred within the last `CURRENT` seconds."""
        self._forget(self._clock())
        return tuple(self._faults.values())

    def _forget(self, now: float) -> None:
        self._faults = {text: fault for text, fault in self._faults.items() if now - fault.last < CURRENT}
