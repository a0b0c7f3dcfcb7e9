"""Which masks a person should look at: weak ones, lone ones, and those that end in the middle of the picture."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from core.frame import Origin, Region
from core.geometry import Box

MOST = 100
"""Moments that are kept."""

Why = Literal["weak", "lone", "ended"]

SURE = 0.7  # score: a track that reaches it is not weak
PLAIN = 0.3  # score: the weakest that is followed
LONE = 0.5  # how doubtful a track is that was detected in one frame only
ENDED = 0.4  # ... and one that was lost in the middle of the picture
EDGE = 0.02  # of the picture's side: a region this near has reached its edge
FORGOTTEN = 2.0  # s without a region: the track is over


@dataclass(frozen=True, slots=True)
class Doubt:
    """A mask to look at. Times in seconds, `box` in pixels of the upright frame, `doubt` from 0 to 1."""

    start: float
    end: float
    box: Box
    track: int
    why: tuple[Why, ...]
    doubt: float


@dataclass(slots=True)
class _Life:
    """What is known of one track; times in seconds."""

    start: float
    end: float = 0.0
    best: float = 0.0
    scored: bool = False
    seen: int = 0
    place: Box = field(default_factory=lambda: Box(0, 0, 1, 1))
    last: Region | None = None
    at_edge: bool = False


class DoubtLog:
    """Takes in the regions of one frame after another; holds only tracks of the last moments and the worst doubts."""

    def __init__(self) -> None:
        self._lives: dict[int, _Life] = {}
        self._worst: list[tuple[float, int, Doubt]] = []
        self._count = 0
        self._swept = float("-inf")

    def add(self, time: float, regions: Sequence[Region], size: tuple[int, int]) -> None:
        """The regions of the frame at `time` and its upright size in pixels; call in frame order."""
        for region in regions:
            if region.track < 0:
                continue
            life = self._lives.setdefault(region.track, _Life(time))
            life.end, life.last = time, region
            life.at_edge = _reaches_edge(region.box, size)
            if region.origin is Origin.SEEN or life.seen == 0:
                life.place = region.box
            life.seen += region.origin is Origin.SEEN
            if region.score is not None:
                life.scored, life.best = True, max(life.best, region.score)
        if abs(time - self._swept) > FORGOTTEN / 2:
            self._swept = time
            for track in [t for t, life in self._lives.items() if abs(time - life.end) > FORGOTTEN]:
                self._close(track)

    def finish(self) -> list[Doubt]:
        """No more frames: the most doubtful moments, worst first; at most `MOST`."""
        for track in list(self._lives):
            self._close(track)
        return [doubt for _, _, doubt in sorted(self._worst, key=lambda w: (-w[0], -w[1]))]

    def _close(self, track: int) -> None:
        life = self._lives.pop(track)
        assert life.last is not None
        parts: dict[Why, float] = {}
        if life.scored and life.best < SURE:
            parts["weak"] = min(1.0, (SURE - life.best) / (SURE - PLAIN))
        if life.seen <= 1:
            parts["lone"] = LONE
        # A track is carried on only while nothing ends the scene: after a cut, no mask is left.
        lost = life.last.origin is Origin.CARRIED and not life.at_edge
        if lost:
            parts["ended"] = ENDED
        if not parts:
            return
        sure = 1.0
        for part in parts.values():
            sure *= 1 - part
        place = life.last.box if lost and len(parts) == 1 else life.place
        start = max(life.start, life.end - 1.0) if lost and len(parts) == 1 else life.start
        doubt = Doubt(start, life.end, place, track, tuple(parts), round(1 - sure, 4))
        self._count += 1
        entry = (doubt.doubt, -self._count, doubt)
        if len(self._worst) < MOST:
            heapq.heappush(self._worst, entry)
        else:
            heapq.heappushpop(self._worst, entry)


def _reaches_edge(box: Box, size: tuple[int, int]) -> bool:
    dx, dy = EDGE * size[0], EDGE * size[1]
    return box.x0 <= dx or box.y0 <= dy or box.x1 >= size[0] - dx or box.y1 >= size[1] - dy
