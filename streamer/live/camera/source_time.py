"""The source's clock, for pacing and timestamps. Arithmetic only."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

_WRAPS: Final = (1 << 32, 1 << 33)  # ticks after which RTP's and MPEG-TS's counters wrap
_NEAR: Final = 10.0  # seconds by which a wrap may be off from the expected time
_LATE: Final = 0.1  # seconds; further behind, pacing restarts from now: catching up would overrun the consumer
_GAP: Final = 5.0  # seconds between pictures; a longer step is a jump of the clock, not a pause


class Unwrapper:
    """Converts pts to seconds that continue when the source's counter wraps; other jumps are passed on."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._offset = 0

    def seconds(self, pts: int | None, time_base: Fraction) -> float | None:
        """The time of a picture, or None if it has no pts."""
        if pts is None:
            return None
        pts += self._offset
        if self._last is not None:
            for wrap in _WRAPS:
                if abs(pts + wrap - self._last) * time_base < _NEAR:
                    self._offset += wrap
                    pts += wrap
        self._last = pts
        return float(pts * time_base)


class Pacer:
    """When the pictures of a recording are due. Times are in seconds; `now` is on any monotonic clock."""

    def __init__(self) -> None:
        self._due: float | None = None
        self._last: float | None = None

    def due(self, source_time: float | None, interval: float, now: float) -> float:
        """When to show the next picture, on the clock of `now`; `interval` is used if it has no timestamp."""
        step = interval
        if source_time is not None and self._last is not None and 0 <= source_time - self._last < _GAP:
            step = source_time - self._last
        self._due = now if self._due is None else self._due + step
        if self._due < now - _LATE:
            self._due = now
        self._last = source_time
        return self._due

    def restart(self) -> None:
        """The source starts over: the next picture is due one interval after the last one."""
        self._last = None
