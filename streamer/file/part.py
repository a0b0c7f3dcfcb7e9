"""A part of a video: which frames and audio packets the copy gets, and which are only looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from core.frame import Frame
from streamer.file.source import SourceInfo
from streamer.media.audio_track import TrackPacket

ROLL: Final = 2
"""Seconds before and after the part that the detector sees as well: masks at both ends are then settled."""

_FINEST: Final = 1_000_000  # parts are given in microseconds at best: 12.1 is then exactly that


@dataclass(frozen=True, slots=True)
class Part:
    """From the first frame at or after `start` to the last one before `end`: seconds from the video's first frame.

    None is where the video begins or ends. Raises ValueError unless 0 <= `start` < `end`.
    """

    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.start, self.end) if value is not None]
        if not all(0 <= value < math.inf for value in given) or given != sorted(set(given)) or self.end == 0:
            raise ValueError("a part must start at or after 0 and end later than that")


class PartReader:
    """Passes what is needed for a part of the video `info`, and tells which of it the copy gets."""

    def __init__(self, part: Part, info: SourceInfo) -> None:
        self._base = info.time_base
        self._tracks = frozenset(track.number for track in info.audio_tracks)
        origin = info.start * info.time_base
        begin = Fraction(part.start or 0).limit_denominator(_FINEST)
        end = None if part.end is None else Fraction(part.end).limit_denominator(_FINEST)
        self._begin, self._end = origin + begin, None if end is None else origin + end
        self.shift = -(begin // self._base) * self._base
        """Seconds to add to all time stamps, so that the copy starts when the video did."""
        until = None if info.duration is None else Fraction(info.duration)
        until = end if until is None or (end is not None and end < until) else until
        self.duration = None if until is None else max(0.0, float(until - begin))
        """Seconds that the part lasts, as far as the header knows."""
        self.expected = None if self.duration is None else round(self.duration * info.rate)
        """Frames that it has, in the same way."""

    def holds(self, time: Fraction) -> bool:
        """Whether the copy gets what the input has at this time, in seconds on its clock."""
        return self._begin <= time and (self._end is None or time < self._end)

    def items(self, items: Iterable[Frame | TrackPacket]) -> Iterator[Frame | TrackPacket]:
        """The frames of the part and those around it, and its audio; ends when nothing more can follow."""
        going = {None, *self._tracks}  # None: the video
        for item in items:
            if isinstance(item, Frame):
                time = (item.video.pts or 0) * self._base
                if time >= self._begin - ROLL and (self._end is None or time < self._end + ROLL):
                    yield item
                elif time >= self._begin:
                    going.discard(None)
            else:
                packet = item.packet
                stamp = packet.pts if packet.pts is not None else packet.dts
                when = None if stamp is None else stamp * packet.time_base
                if when is not None and self.holds(when):
                    yield item
                elif when is not None and when >= self._begin:
                    going.discard(item.track)
            if not going:
                return
