"""Time stamps of the published picture: the source's own rhythm, held to the clock on the wall."""

from __future__ import annotations

from streamer.live.packet import CLOCK

_FOLLOW = 0.02  # share of a difference between the two clocks that each picture makes up for
_JUMP = 0.5  # seconds of difference that are no jitter: the source's clock was set anew


class PtsClock:
    """Strictly increasing pts in ticks of 1/90000 s, counted from the first picture.

    Network jitter does not show in them as long as the source stamps its pictures; a source without stamps, and a
    slate, is stamped by its arrival.
    """

    def __init__(self) -> None:
        self._start: float | None = None
        self._offset: float | None = None
        self._last = -1

    def stamp(self, arrived: float, source_time: float | None = None) -> int:
        """The pts of a picture that arrived at `arrived` (seconds, any steady clock) with the stamp `source_time`."""
        if self._start is None:
            self._start = arrived
        at = arrived
        if source_time is None:
            self._offset = None
        else:
            if self._offset is None or abs(source_time + self._offset - arrived) > _JUMP:
                self._offset = arrived - source_time
            self._offset += _FOLLOW * (arrived - source_time - self._offset)
            at = source_time + self._offset
        self._last = max(self._last + 1, round((at - self._start) * CLOCK))
        return self._last
