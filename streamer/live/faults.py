"""What went wrong lately: each fault with its beginning, its newest moment and how often, until it is over. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

CURRENT: float = 60.0
"""Seconds without a repetition after which a fault is over."""

MOST = 5  # different ones at a time


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault: `text` is one line without credentials, `since` and `last` are seconds of `time.time()`."""

    text: str
    since: float
    last: float
    count: int = 1


class Faults:
    """The faults that are not over yet, the one that came last at the end. Not for several threads at once."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._faults: dict[str, Fault] = {}

    def add(self, text: str) -> None:
        """It happened now; once more, if it is there already."""
        now = self._clock()
        self._forget(now)
        known = self._faults.pop(text, None)
        self._faults[text] = Fault(text, now, now) if known is None else replace(known, last=now, count=known.count + 1)
        while len(self._faults) > MOST:
            del self._faults[next(iter(self._faults))]

    def current(self) -> tuple[Fault, ...]:
        """Those that were there within the last `CURRENT` seconds."""
        self._forget(self._clock())
        return tuple(self._faults.values())

    def _forget(self, now: float) -> None:
        self._faults = {text: fault for text, fault in self._faults.items() if now - fault.last < CURRENT}
