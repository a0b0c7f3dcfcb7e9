"""Exponential backoff with jitter."""

from __future__ import annotations

import random as _random
from collections.abc import Callable


class Backoff:
    """Delays that double from `first` to `longest` seconds, each shortened by a random amount of up to half.

    The jitter keeps clients from reconnecting all at once when a server comes back. `random` returns numbers from 0
    to 1. Raises ValueError unless 0 < first <= longest.
    """

    def __init__(self, first: float = 0.5, longest: float = 15.0, random: Callable[[], float] = _random.random) -> None:
        if not 0 < first <= longest:
            raise ValueError(f"first and longest must be 0 < first <= longest, not {first} and {longest}")
        self._first, self._longest, self._random = first, longest, random
        self._step = first

    def next(self) -> float:
        """Seconds to wait after another failure."""
        step = self._step
        self._step = min(2 * step, self._longest)
        return step * (1 - self._random() / 2)

    def reset(self) -> None:
        """Start over with the shortest delay, after a success."""
        self._step = self._first
