"""How many frames a second a live source has. Arithmetic only."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from statistics import median
from typing import Final

DEFAULT_RATE: Final = Fraction(25)
"""What is taken where nothing is known."""
HIGHEST: Final = Fraction(240)
_NTSC: Final = tuple(Fraction(whole * 1000, 1001) for whole in (24, 30, 48, 60, 120))
_STEPS: Final = 32  # steps between pictures that are looked at
_FEWEST: Final = 2  # steps that say anything
_LONGEST: Final = 1.0  # seconds: a longer step is a gap
_BELIEVED: Final = 0.25  # share by which pictures may come otherwise than the source says


def standard_rate(rate: float) -> Fraction:
    """The rate that is meant by a measured one: frames a second, a whole number or one of NTSC's (30000/1001)."""
    whole = Fraction(max(1, round(rate)))
    nearest = min((whole, *_NTSC), key=lambda known: abs(float(known) - rate))
    return min(HIGHEST, nearest)


class FrameRate:
    """Finds the rate of a source from what it says itself and from its time stamps."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._steps: deque[float] = deque(maxlen=_STEPS)

    def picture(self, source_time: float | None) -> None:
        """A picture came with this stamp in seconds, or with none."""
        if self._last is not None and source_time is not None and 0 < source_time - self._last < _LONGEST:
            self._steps.append(source_time - self._last)
        self._last = source_time

    def rate(self, said: Fraction | None, measured: float = 0.0) -> Fraction:
        """Frames a second: what the source has `said` unless its time stamps belie it, else what they tell.

        `measured` is how many pictures a second came in, 0 while that is not known; it counts where there is nothing
        better, and `DEFAULT_RATE` where there is not even that.
        """
        stamped = _rate_of(self._steps)
        possible = said is not None and 1 <= said <= HIGHEST
        if said and possible and (stamped is None or abs(stamped / float(said) - 1) <= _BELIEVED):
            return said
        return standard_rate(stamped or measured) if stamped or measured else DEFAULT_RATE


def _rate_of(steps: Sequence[float]) -> float | None:
    return 1 / median(steps) if len(steps) >= _FEWEST else None
