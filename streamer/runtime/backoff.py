"""How long to wait before the next try."""

from __future__ import annotations

import random as _random
from collections.abc import Callable


class Backoff:
    """Waits that double from `first` to `longest` seconds, each shortened by up to a half at random.

    The jitter keeps many clients of a server that came back from knocking all at once. `random` gives numbers from 0
    to 1. Raises ValueError unless 0 < first <= longest.
    """

    def __init__(self, first: float = 0.5, longest: float = 15.0, random: Callable[[], float] = _random.random) -> None:
        if not 0 < first <= longest:
            raise ValueError(f"first and longest must be 0 < first <= longest, not {first} and {longest}")
        self._first, self._longest, self._random = first, longest, random
        self._step = first

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        step = self._step
        self._step = min(2 * step, self._longest)
        return step * (1 - self._random() / 2)

    def reset(self) -> None:
        """It worked: the next wait is short again."""
        self._step = self._first
