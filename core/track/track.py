"""One face over time, and where to paint it at any instant."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from core.config import TrackConfig
from core.frame import Origin, Region
from core.geometry import Box

RECENT = 4  # observations
MAX_BEND = 0.3  # of a box side
AT_EDGE = 3.0  # times as long: the part of a face that the picture's edge leaves is hard to detect


@dataclass(frozen=True, slots=True)
class Observation:
    """A detection linked to a track; times are in seconds.

    `far`: so far from the previous observation that the two may be different faces. `at_edge`: it reaches the edge of
    the picture, where the rest of the face is hard to detect, so it is masked for longer. `previous_sample` is the time
    of the sample before this one. `missed` is the time of the first sample since the previous observation that lacked
    the face, if any.
    """

    time: float
    box: Box
    score: float
    far: bool = False
    at_edge: bool = False
    previous_sample: float | None = None
    missed: float | None = None


@dataclass(slots=True)
class Track:
    """Observations of one face in order of time. It exists, and is masked, from its first detection on.

    `strong_time` is the time of the last detection good enough to start a track. `last_absent` is the time of the last
    sample of the scene without the face, or None if the face is in the scene's first sample. Nothing is painted outside
    the scene, which begins at `scene_start` and ends before `scene_end`. `missed` is the time of the first sample since
    the last observation: it lacked the face.
    """

    id: int
    label: str
    observations: list[Observation]
    strong_time: float
    last_absent: float | None = None
    scene_start: float = -math.inf
    scene_end: float = math.inf
    missed: float | None = None

    @property
    def first(self) -> Observation:
        """The earliest observation."""
        return self.observations[0]

    @property
    def last(self) -> Observation:
        """The latest observation."""
        return self.observations[-1]

    @property
    def recent_score(self) -> float:
        """The best score of the latest observations."""
        return max(o.score for o in self.observations[-RECENT:])

    def add(self, observation: Observation, strong: bool) -> None:
        """Append an observation, later than all others; `strong` if it could have started a track."""
        self.observations.append(observation)
        self.missed = None
        if strong:
            self.strong_time = observation.time

    def prepend(self, observation: Observation, last_absent: float | None) -> None:
        """Insert an observation before all others: the face was there before the track started."""
        self.observations.insert(0, observation)
        self.last_absent = last_absent

    def forget_before(self, time: float) -> None:
        """Drop observations not needed for any instant from `time` on."""
        keep = max(0, bisect_right(self.observations, time, key=_time) - RECENT)
        del self.observations[:keep]

    def miss(self, time: float) -> None:
        """Note that the sample at `time` lacks this face."""
        if self.missed is None:
            self.missed = time

    def predict(self, time: float) -> Box:
        """Extrapolated box after the last observation: constant velocity, at most one box side away."""
        return _carry(self.observations[-2:][0], self.last, time)

    def predict_back(self, time: float) -> Box:
        """Extrapolated box before the first observation, likewise."""
        return _carry(self.observations[:2][-1], self.first, time)

    def regions_at(self, time: float, config: TrackConfig, latest_sample: float = math.inf) -> list[Region]:
        """What to paint at `time`: nothing, or regions that cover the face, grown by margin and uncertainty.

        `latest_sample` is the time of the newest sample that has a verdict. Until there is a later one, the face is
        assumed to be still there.
        """
        if not self.scene_start <= time < self.scene_end:
            return []
        after = bisect_right(self.observations, time, key=_time)
        if after == 0:
            return self._back_fill(time, config)
        before = self.observations[after - 1]
        if after == len(self.observations):
            return self._hold(time, config, latest_sample)
        following = self.observations[after]
        gap = following.time - before.time
        there = Origin.SEEN if time == before.time else Origin.INTERPOLATED
        score = before.score if time == before.time else min(before.score, following.score)
        regions = [self._region(_between(before, following, time, config), score, there)]
        if gap > config.hold or following.far:
            # The two ends may be different faces: keep the cover that each would have without the other.
            until = following.time if following.missed is None else following.missed
            since = (
                following.time if following.previous_sample is None else following.previous_sample - config.back_fill
            )
            if time <= max(before.time + config.hold, until):
                kept = before.box.grown(_growth(time - before.time, config))
                regions.append(self._region(kept, before.score, Origin.CARRIED))
            if time >= min(following.time - config.hold, since):
                filled = following.box.grown(_growth(following.time - time, config))
                regions.append(self._region(filled, following.score, Origin.BACK_FILLED))
        return regions

    def _region(self, box: Box, score: float, origin: Origin) -> Region:
        return Region(box, self.id, self.label, min(score, 1.0), origin)

    def _hold(self, time: float, config: TrackConfig, latest_sample: float) -> list[Region]:
        age = time - self.last.time
        hold = config.hold
        if self.missed is None:
            latest_sample = self.last.time  # verdicts on other scenes say nothing about this face
        else:
            # One sample without it does not end a track, however far apart samples are.
            hold = max(hold, min(self.missed - self.last.time, config.max_gap))
        hold = hold if self.recent_score >= config.confident_score else hold / 2
        if min(time, latest_sample) - self.last.time > hold * (AT_EDGE if self.last.at_edge else 1):
            return []
        blind = max(0.0, time - max(latest_sample, self.last.time))
        size = _growth(age, config) + config.pending_growth * blind
        box = self.last.box.union(self.predict(time)).grown(size)
        return [self._region(box, self.last.score, Origin.CARRIED if age else Origin.SEEN)]

    def _back_fill(self, time: float, config: TrackConfig) -> list[Region]:
        age = self.first.time - time
        unseen = 0.0 if self.last_absent is None else self.first.time - self.last_absent
        if age > max(unseen, 0.0) + config.back_fill * (AT_EDGE if self.first.at_edge else 1):
            return []
        box = self.first.box.union(self.predict_back(time)).grown(_growth(age, config))
        return [self._region(box, self.first.score, Origin.BACK_FILLED)]


def _time(observation: Observation) -> float:
    return observation.time


def _growth(age: float, config: TrackConfig) -> float:
    return config.margin + config.growth * age


def _between(a: Observation, b: Observation, time: float, config: TrackConfig) -> Box:
    """The interpolated box, grown by the time to the nearer end and padded by how far the face moved."""
    span = b.time - a.time
    part = (time - a.time) / span if span > 0 else 0.0
    box = a.box.lerp(b.box, part)
    (ax, ay), (bx, by) = a.box.center, b.box.center
    # Real paths bend between samples: most in the middle, not at all at the ends.
    bend = 4 * part * (1 - part) * config.bend
    limit = box.side * MAX_BEND
    wide, high = min(abs(bx - ax) * bend, limit), min(abs(by - ay) * bend, limit)
    box = Box(box.x0 - wide, box.y0 - high, box.x1 + wide, box.y1 + high)
    return box.grown(_growth(min(time - a.time, b.time - time), config))


def _carry(inner: Observation, end: Observation, time: float) -> Box:
    """`end.box` extrapolated at its speed between `inner` and `end`, by at most one box side."""
    span = end.time - inner.time
    if span == 0:
        return end.box
    steps = (time - end.time) / span
    (ax, ay), (bx, by) = inner.box.center, end.box.center
    dx, dy = (bx - ax) * steps, (by - ay) * steps
    limit = end.box.side
    return end.box.moved(max(-limit, min(limit, dx)), max(-limit, min(limit, dy)))
