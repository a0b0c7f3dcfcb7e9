"""Estimates the frame rate of a live source. Arithmetic only."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from statistics import median
from typing import Final

DEFAULT_RATE: Final = Fraction(25)
"""Used if nothing is known about the rate."""
HIGHEST: Final = Fraction(240)
_NTSC: Final = tuple(Fraction(whole * 1000, 1001) for whole in (24, 30, 48, 60, 120))
_STEPS: Final = 32  # timestamp differences to consider
_FEWEST: Final = 2  # timestamp differences needed for an estimate
_LONGEST: Final = 1.0  # seconds; a longer difference is a gap
_BELIEVED: Final = 0.25  # share by which timestamps may deviate from the rate the source states


def standard_rate(rate: float) -> Fraction:
    """The standard rate nearest to a measured one: whole frames per second, or an NTSC rate such as 30000/1001."""
    whole = Fraction(max(1, round(rate)))
    nearest = min((whole, *_NTSC), key=lambda known: abs(float(known) - rate))
    return min(HIGHEST, nearest)


class FrameRate:
    """Finds a source's frame rate from the rate it states and from its timestamps."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._steps: deque[float] = deque(maxlen=_STEPS)

    def picture(self, source_time: float | None) -> None:
        """A picture arrived with this timestamp in seconds, or without one."""
        if self._last is not None and source_time is not None and 0 < source_time - self._last < _LONGEST:
            self._steps.append(source_time - self._last)
        self._last = source_time

    def rate(self, stated: Fraction | None, measured: float = 0.0) -> Fraction:
        """Frames per second: the `stated` rate unless the timestamps contradict it, else the timestamps' rate.

        `measured` is the rate at which pictures arrive, 0 if unknown. It is used if there is nothing better, and
        `DEFAULT_RATE` if there is nothing at all.
        """
        stamped = _rate_of(self._steps)
        possible = stated is not None and 1 <= stated <= HIGHEST
        if stated and possible and (stamped is None or abs(stamped / float(stated) - 1) <= _BELIEVED):
            return stated
        return standard_rate(stamped or measured) if stamped or measured else DEFAULT_RATE


def _rate_of(steps: Sequence[float]) -> float | None:
    return 1 / median(steps) if len(steps) >= _FEWEST else None
