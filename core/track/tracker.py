"""Links the detections of successive samples into tracks. Tracks start at once, unconfirmed, and end at scene cuts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from core.config import TrackConfig
from core.detect.detection import Detection
from core.frame import Region
from core.geometry import Box, iou
from core.track.track import Observation, Track

# Corners of a regular octagon around the unit circle.
_OCTAGON = [
    (math.cos(angle) / math.cos(math.pi / 8), math.sin(angle) / math.cos(math.pi / 8))
    for angle in (math.pi / 4 * k for k in range(8))
]
EDGE = 0.05  # of a box side; a face closer than this to the picture's edge is assumed to extend beyond it
NEARLY_SAME = 0.5  # IoU above which two boxes are cheaper to paint as one
MAX_RATIO = 2.5  # largest size ratio of two boxes that may be the same face
MAX_RATIO_FAR = 1.5
# How far a face can move, in face sizes: at once, plus per second, counting at most this many seconds.
STRIDE, STRIDES_A_SECOND, LONGEST = 0.6, 1.5, 0.4


@dataclass(slots=True)
class _PastSample:
    """A past sample of the current scene: its time, and its weak detections that belong to no track."""

    time: float
    weak: list[Detection]


class Tracker:
    """Tracks of one stream. Samples come in order of time; `regions(time)` works for any time not yet forgotten."""

    def __init__(self, config: TrackConfig) -> None:
        self._config = config
        self._tracks: list[Track] = []
        self._ended: list[Track] = []
        self._samples: list[_PastSample] = []
        self._scene_start = -math.inf
        self._latest_sample = -math.inf
        self._next_id = 0
        self._size = (math.inf, math.inf)

    @property
    def track_count(self) -> int:
        """Number of tracks so far."""
        return self._next_id

    def start_scene(self, time: float) -> None:
        """A new scene starts at `time`: no track continues into it and none extends back before it."""
        for track in self._tracks + self._ended:
            track.scene_end = min(track.scene_end, time)
        self._ended += self._tracks
        self._tracks, self._samples, self._scene_start = [], [], time

    def update(
        self, time: float, detections: Iterable[Detection], size: tuple[float, float] = (math.inf, math.inf)
    ) -> None:
        """Take in the detections of the sample at `time`; empty and non-finite boxes are ignored.

        `size` is width and height in pixels of the picture that the boxes refer to.
        """
        self._size, self._latest_sample = size, time
        config = self._config
        usable = [d for d in detections if d.box.is_valid() and d.score >= config.min_score]
        ended = [t for t in self._tracks if time - t.last.time > config.max_gap]
        for track in ended:
            track.miss(time)
        self._ended += ended
        self._tracks = [t for t in self._tracks if time - t.last.time <= config.max_gap]
        free = self._link(time, usable)
        for track in self._tracks:
            if track.last.time < time:
                track.miss(time)
        weak = []
        for detection in free:
            if detection.score >= config.new_track_score or self._persists(time, detection):
                self._start_track(time, detection)
            else:
                weak.append(detection)
        self._samples = [s for s in self._samples if time - s.time <= config.max_gap] + [_PastSample(time, weak)]

    def _link(self, time: float, detections: Sequence[Detection]) -> list[Detection]:
        """Match tracks and detections, best pairs first; returns the unmatched detections.

        A second round matches the rest over a longer distance: a small fast face may move several times its own size
        between two samples. A wrong match there masks more, never less, because both ends are also covered as if they
        were unmatched.
        """
        free = list(range(len(detections)))
        single = list(self._tracks)
        spots = [_spot(detection.box) for detection in detections]
        ends = {track.id: (_spot(track.predict(time)), _spot(track.last.box)) for track in single}
        for far in (False, True):
            limit = self._config.jump_distance if far else 1
            pairs = []
            for t, track in enumerate(single):
                for d in free:
                    if _out_of_reach(ends[track.id], spots[d], limit):  # most pairs, and much cheaper than `_cost`
                        continue
                    cost = self._cost(track, ends[track.id], detections[d], spots[d], time, far)
                    if cost < limit:
                        pairs.append((cost - 0.3 * detections[d].score, t, d))
            linked: set[int] = set()
            for _, t, d in sorted(pairs):
                if t not in linked and d in free:
                    linked.add(t)
                    free.remove(d)
                    found = self._observation(time, detections[d], far, single[t].missed)
                    single[t].add(found, found.score >= self._config.new_track_score)
            single = [track for t, track in enumerate(single) if t not in linked]
        return [detections[d] for d in free]

    def _observation(
        self, time: float, detection: Detection, far: bool = False, missed: float | None = None
    ) -> Observation:
        box, (width, height) = detection.box, self._size
        near = EDGE * box.side
        at_edge = box.x0 < near or box.y0 < near or box.x1 > width - near or box.y1 > height - near
        previous = self._samples[-1].time if self._samples else None
        return Observation(time, box, detection.score, far, at_edge, previous, missed)

    def _cost(
        self, track: Track, ends: Sequence[_Spot], detection: Detection, spot: _Spot, time: float, far: bool
    ) -> float:
        """Matching cost of the detection at `spot` for the track; infinite if they must not be matched.

        `ends` are the places where the track may be now.
        """
        config, elapsed = self._config, time - track.last.time
        if detection.label != track.label:
            return math.inf
        strong = detection.score >= config.new_track_score
        if not strong and time - track.strong_time > config.max_weak:
            return math.inf
        # Across a missed sample and a long gap, only faces with high scores at both ends are taken to be the same.
        confident = min(detection.score, track.recent_score) >= config.confident_score
        if track.missed is not None and elapsed > config.hold and not confident:
            return math.inf
        if far and not (strong and elapsed <= config.jump_gap and track.last.score >= config.new_track_score):
            return math.inf
        ratio = MAX_RATIO_FAR if far else MAX_RATIO
        return min([_distance(end, spot, elapsed, ratio) for end in ends])

    def _start_track(self, time: float, detection: Detection) -> None:
        track = Track(
            self._next_id,
            detection.label,
            [self._observation(time, detection)],
            time,
            self._samples[-1].time if self._samples else None,
            self._scene_start,
        )
        self._next_id += 1
        # The face is now certain, so weak detections at its predicted place in earlier samples are the same face.
        later = time
        for back in range(len(self._samples) - 1, -1, -1):
            seen = self._samples[back]
            elapsed = track.first.time - seen.time
            if elapsed > self._config.hold and track.first.time > later:
                break
            later = seen.time
            predicted = _spot(track.predict_back(seen.time))
            costs = [(_distance(predicted, _spot(d.box), elapsed), i) for i, d in enumerate(seen.weak)]
            if costs and min(costs)[0] < 1:
                found = seen.weak.pop(min(costs)[1])
                earlier = self._samples[back - 1].time if back else None
                track.prepend(replace(self._observation(seen.time, found), previous_sample=earlier), earlier)
        self._tracks.append(track)

    def _persists(self, time: float, detection: Detection) -> bool:
        """Whether a weak detection and those before it at its place are together worth a strong one.

        What each has above `min_score` adds up: noise seldom looks like a face twice at one place.
        """
        config = self._config
        needed = config.new_track_score - config.min_score
        total, last, last_time = detection.score - config.min_score, _spot(detection.box), time
        for seen in reversed(self._samples):
            if last_time - seen.time > config.max_weak:
                break
            near = [(_distance(last, _spot(d.box), last_time - seen.time), i) for i, d in enumerate(seen.weak)]
            if near and min(near)[0] < 1:
                found = seen.weak[min(near)[1]]
                total, last, last_time = total + found.score - config.min_score, _spot(found.box), seen.time
            if total >= needed:
                return True
        return False

    def regions(self, time: float) -> tuple[Region, ...]:
        """All regions to paint at `time`, in pixels of the upright frame."""
        found = [
            region
            for track in self._ended + self._tracks
            for region in joined(track.regions_at(time, self._config, self._latest_sample))
        ]
        return tuple(without_covered(found))

    def forget_before(self, time: float) -> None:
        """Drop everything not needed from `time` on, so that memory stays bounded."""
        longest, latest_sample = 2 * max(self._config.hold, self._config.max_gap), min(time, self._latest_sample)
        self._ended = [t for t in self._ended if t.scene_end > time and t.last.time + longest >= latest_sample]
        for track in self._ended + self._tracks:
            track.forget_before(time)


def joined(regions: Sequence[Region]) -> list[Region]:
    """The regions of one face, nearly equal ones merged into one around both, with the origin of the first."""
    out: list[Region] = []
    for region in regions:
        for index, other in enumerate(out):
            if iou(region.box, other.box) > NEARLY_SAME:
                out[index] = replace(other, box=region.box.union(other.box))
                break
        else:
            out.append(region)
    return out


def without_covered(regions: Sequence[Region]) -> list[Region]:
    """The regions without those whose ellipse lies entirely inside another's: painting them would have no effect."""
    kept: list[Region] = []
    ellipses: list[_Ellipse] = []
    for region in sorted(regions, key=lambda r: -r.box.area):
        ellipse = _Ellipse(*region.box.center, region.box.width / 2, region.box.height / 2)
        if not any(_within(ellipse, other) for other in ellipses):
            kept.append(region)
            ellipses.append(ellipse)
    return kept


class _Ellipse(NamedTuple):
    """Centre and half-axes of an ellipse."""

    x: float
    y: float
    rx: float
    ry: float


def _within(inner: _Ellipse, outer: _Ellipse) -> bool:
    """Whether `inner` lies inside `outer`. True is certain: all corners of an octagon around `inner` do."""
    ox, oy, rx, ry = outer
    dx, dy = inner.x - ox, inner.y - oy
    if not (-rx <= dx <= rx and -ry <= dy <= ry):  # true for most pairs: not even the centre lies inside
        return False
    return all(((dx + c * inner.rx) / rx) ** 2 + ((dy + s * inner.ry) / ry) ** 2 <= 1 for c, s in _OCTAGON)


class _Spot(NamedTuple):
    """A box with the values needed for comparing it, computed once."""

    box: Box
    x: float
    y: float
    side: float


def _spot(box: Box) -> _Spot:
    return _Spot(box, *box.center, box.side)


def _distance(a: _Spot, b: _Spot, elapsed: float, max_ratio: float = MAX_RATIO) -> float:
    """Cost of taking two boxes `elapsed` seconds apart for the same face; below 1 they may be matched."""
    large, small = max(a.side, b.side), min(a.side, b.side)
    ratio = large / max(1e-6, small)
    if ratio > max_ratio:
        return math.inf
    reach = (STRIDE + STRIDES_A_SECOND * min(elapsed, LONGEST)) * large
    dx, dy = b.x - a.x, b.y - a.y
    away = math.hypot(dx, dy) / reach
    # Centres further apart than the longer side: the boxes do not touch.
    shared = iou(a.box, b.box) if abs(dx) < large and abs(dy) < large else 0.0
    return (min(away, 1 - shared) if shared > 0 else away) + 0.2 * (ratio - 1)


def _out_of_reach(ends: Sequence[_Spot], spot: _Spot, limit: float) -> bool:
    """Whether `_distance` to every end is at least `limit` (1 or more), however much time has passed."""
    farthest = limit * (STRIDE + STRIDES_A_SECOND * LONGEST)
    for end in ends:
        far = farthest * max(spot.side, end.side)
        if -far <= spot.x - end.x <= far and -far <= spot.y - end.y <= far:
            return False
    return True
