"""One detector pass over a sample: the whole picture at several sizes, then crops where a small face is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.config import DetectConfig, ScaleConfig
from core.detect.detection import Detection, Detector
from core.detect.registry import default_scales, find
from core.detect.second_opinion import SAME_FACE, SecondOpinion
from core.frame import Frame
from core.geometry import Box, iou
from core.pictures import planes as picture
from core.pictures.planes import BgrImage
from core.pictures.scratch import Arena

TILE_OVERLAP = 0.2  # share of a tile that its neighbour also shows, so that a face on a seam is whole in one of them
CROP_FACES = 3.0  # a follow-up crop shows this many face sizes
SAME_IOU = 0.4
SAME_SIZE = 1.5  # a find larger than this many times a known face is something else around it
MAX_STRETCH = 0.04  # a picture this much out of proportion shows the same faces
EASY_SIDE = 36  # px: the detector hardly misses a face this large in a scaled picture
DOUBT = 0.6  # factor for the score when a size that should have seen the face did not
REMEMBER_SCORE = 0.4
USUAL_INTERVAL = 0.15  # s: a sample that comes later than this counts as more than one, so that no size is rare
MOST_COUNTED = 2.0  # but as no more than this: if the detector itself is slow, do not make it slower


@dataclass(frozen=True, slots=True)
class _Known:
    """A face from an earlier sample; `seen` is when it was last found, in seconds."""

    box: Box
    seen: float


class Scanner:
    """Runs one detector on the samples of one stream. Remembers the faces of recent samples, nothing else."""

    def __init__(
        self, detector: Detector, config: DetectConfig, second: SecondOpinion | None = None, min_score: float = 0.0
    ) -> None:
        """Finds of `detector` below `min_score` count only where `second` confirms them."""
        self._detector, self._config = detector, config
        self._second, self._min_score = second, min_score
        self._scales = config.scales or default_scales(config.detector)
        self._plain_side = find(config.detector).plain_side
        self._known: list[_Known] = []
        self._last = -math.inf
        self._count = 0.0
        self._used: dict[ScaleConfig, float] = {}
        self._memory = Arena()

    def scan(self, frame: Frame, time: float, *, scene_start: bool, alone: bool = False) -> list[Detection]:
        """All faces in `frame`, boxes in pixels of its upright picture; `time` in seconds on the engine's clock.

        `alone` means that no other sample nearby shows the same faces: every size is used, nothing is doubted.
        Raises whatever the detector raises.
        """
        self._memory.begin()
        if scene_start:
            self._known, self._used = [], {}
            if self._second is not None:
                self._second.forget()
        due = self._due(time, alone)
        images: dict[int, BgrImage] = {}
        found = merge(self._look(frame, due, 1.0 if alone else DOUBT, images))
        if self._second is not None:
            found = self._weigh(self._second, frame, time, found, images)
        finest = max(map(_whole_side, due)) / max(frame.upright_size)
        found = merge([*found, *self._follow_up(frame, found, finest)])
        self._remember(time, found)
        return found

    def _due(self, time: float, alone: bool) -> list[ScaleConfig]:
        """The sizes to use now: each again after its number of samples, or after the time they usually take."""
        apart = time - self._last
        self._count += min(max(1.0, apart / USUAL_INTERVAL), MOST_COUNTED)
        self._last = time
        due = [s for s in self._scales if alone or s not in self._used or self._count - self._used[s] >= s.every - 1e-6]
        due = due or [self._scales[0]]  # an unchecked sample would look like one without faces
        # Set before the pass: a detector that fails at one size must not fail every time.
        self._used.update(dict.fromkeys(due, self._count))
        return due

    def _weigh(
        self, second: SecondOpinion, frame: Frame, time: float, found: list[Detection], images: dict[int, BgrImage]
    ) -> list[Detection]:
        """What both detectors make of the finds of the first, and what the second finds by itself."""
        sure: list[Detection] = []
        if second.is_due(time):
            width, height = frame.upright_size
            image = self._whole(frame, second.long_side, images)
            sure = second.search(time, image, (width / image.shape[1], height / image.shape[0]), found)
        weighed = second.weigh(time, found, lambda area, side: self._crop(frame, area, side))
        kept = []
        for before, after in zip(found, weighed, strict=True):
            least = before.score if self._is_known(before.box) else min(before.score, self._min_score)
            # A score that is no score must get through: the timeline then distrusts the whole sample.
            if not 0 <= max(least, after.score) < self._min_score:
                kept.append(replace(after, score=max(least, after.score)))
        # The first detector's box stays where both found a face: boxes that change their shape make tracks jump.
        return [*kept, *(d for d in sure if not any(iou(d.box, k.box) > SAME_FACE for k in kept))]

    def _is_known(self, box: Box) -> bool:
        """Whether there was a face here in recent samples: what the second detector says takes nothing from it then."""
        return any(
            box.side < SAME_SIZE * known.box.side and _apart(_spot(known.box), _spot(box)) < 1 for known in self._known
        )

    def _look(
        self, frame: Frame, scales: Sequence[ScaleConfig], doubt: float, images: dict[int, BgrImage]
    ) -> list[Detection]:
        width, height = frame.upright_size
        found: dict[int, list[Detection]] = {}
        for scale in sorted(scales, key=lambda s: -_whole_side(s)):
            image = self._whole(frame, _whole_side(scale), images)
            factor = (width / image.shape[1], height / image.shape[0])
            parts = tiles(image.shape[1], image.shape[0], scale)
            answers = self._detector.detect([image[y0:y1, x0:x1] for x0, y0, x1, y1 in parts])
            for (x0, y0, _, _), answer in zip(parts, answers, strict=True):
                for detection in answer:
                    box = detection.box.moved(x0, y0).scaled(*factor)
                    found.setdefault(image.shape[1], []).append(replace(detection, box=box))
            found.setdefault(image.shape[1], [])
        return cross_check(found, width, doubt)

    def _whole(self, frame: Frame, long_side: int, images: dict[int, BgrImage]) -> BgrImage:
        """The upright picture with its longer side at `long_side` px, made from the next larger one if there is one."""
        video = frame.video
        scale = long_side / max(video.width, video.height)
        size = fitted_side(video.width * scale), fitted_side(video.height * scale)
        larger = min((side for side in images if side >= long_side), default=None)
        if larger == long_side:
            return images[long_side]
        if larger is not None:
            upright = images[larger]
            size = frame.orientation.upright_size(*size)
            image = np.asarray(picture.scaled(upright, *size, self._memory.array), np.uint8)
        else:
            image = frame.orientation.upright(picture.shrink(video, *size, self._memory.array))
        images[long_side] = image
        return image

    def _follow_up(self, frame: Frame, found: Sequence[Detection], finest: float) -> Iterator[Detection]:
        """Search again, in crops, for small faces that earlier samples had and this one lacks.

        `finest` is the scale of the largest picture used: a face that was easy to see in it is not searched for again.
        """
        side = self._config.follow_up_side
        width, height = frame.upright_size
        missing = [self._known[i] for i in unmatched([k.box for k in self._known], [d.box for d in found])]
        small = [known for known in missing if known.box.side * finest < self._plain_side]
        areas: list[tuple[Box, _Known]] = []
        for known in sorted(small, key=lambda k: -k.seen)[: self._config.follow_up]:
            (x, y), half = known.box.center, known.box.side * CROP_FACES / 2
            area = Box(x - half, y - half, x + half, y + half)
            if area.clipped(width, height).area > 0:
                areas.append((area, known))
        answers = self._detector.detect([self._crop(frame, area, side) for area, _ in areas]) if areas else []
        for (area, known), answer in zip(areas, answers, strict=True):
            for detection in answer:
                box = detection.box.scaled(area.width / side, area.height / side).moved(area.x0, area.y0)
                # A crop may also show neighbours: use only what could be the missing face.
                if _apart(_spot(known.box), _spot(box)) < 1:
                    yield replace(detection, box=box)

    def _crop(self, frame: Frame, area: Box, side: int) -> BgrImage:
        coded = frame.orientation.to_coded(area, frame.video.width, frame.video.height)
        return frame.orientation.upright(picture.crop(frame.video, coded, side, side, self._memory.array))

    def _remember(self, time: float, found: Sequence[Detection]) -> None:
        current = [_Known(d.box, time) for d in found if d.score >= REMEMBER_SCORE]
        missing = unmatched([k.box for k in self._known], [k.box for k in current])
        kept = [self._known[i] for i in missing if 0 <= time - self._known[i].seen <= self._config.memory]
        self._known = current + kept


def _whole_side(scale: ScaleConfig) -> int:
    """The longer side of the whole picture that the scale's tiles are cut from, in pixels."""
    return scale.long_side * max(scale.rows, scale.columns)


def fitted_side(length: float) -> int:
    """A side in whole pixels: a multiple of 32 if that is close, because networks pad to one with black."""
    multiple = round(length / 32) * 32
    return multiple if abs(multiple - length) <= MAX_STRETCH * length else max(1, round(length))


def tiles(width: int, height: int, scale: ScaleConfig) -> list[tuple[int, int, int, int]]:
    """The tiles x0, y0, x1, y1 of a picture of this size, in pixels, each overlapping its neighbours."""

    def spans(length: int, parts: int) -> list[tuple[int, int]]:
        size = min(length, round(length / (parts - (parts - 1) * TILE_OVERLAP)))
        return [(round(i * (length - size) / max(1, parts - 1)), size) for i in range(parts)]

    return [(x, y, x + w, y + h) for y, h in spans(height, scale.rows) for x, w in spans(width, scale.columns)]


def merge(detections: Iterable[Detection]) -> list[Detection]:
    """One detection per face, the one with the best score, when several sizes or tiles found it."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda d: -d.score):
        if not any(k.label == detection.label and iou(k.box, detection.box) > SAME_IOU for k in kept):
            kept.append(detection)
    return kept


def cross_check(found: Mapping[int, Sequence[Detection]], width: int, doubt: float = DOUBT) -> list[Detection]:
    """The detections from several sizes of one picture; a lower score if a size that should have seen them did not.

    `found` maps the width that the picture of `width` px was scaled to onto the detections at that width. Enlarged
    blobs look like faces, but a face that is large enough for a smaller size is also seen there. `doubt` multiplies
    such a score.
    """
    checked = []
    for scaled, detections in found.items():
        for detection in detections:
            judges = [w for w in found if w < scaled and detection.box.side * w / width >= EASY_SIDE]
            seen = any(iou(detection.box, other.box) > 0.3 for w in judges for other in found[w])
            checked.append(detection if seen or not judges else replace(detection, score=detection.score * doubt))
    return checked


def unmatched(known: Sequence[Box], found: Sequence[Box]) -> list[int]:
    """Indices of known faces that match none of the found boxes. Each box matches one face, nearest pairs first."""
    spots = [_spot(box) for box in found]
    pairs = sorted(
        (apart, k, f)
        for k, a in enumerate(map(_spot, known))
        for f, b in enumerate(spots)
        if (apart := _apart(a, b)) < 1
    )
    free, taken = set(range(len(known))), set()
    for _, k, f in pairs:
        if k in free and f not in taken:
            free.remove(k)
            taken.add(f)
    return sorted(free)


def _spot(box: Box) -> tuple[float, float, float]:
    return (*box.center, box.side)


def _apart(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    """Distance of two spots (middle, side), in face sizes: below 1 they may be the same face in successive samples."""
    (ax, ay, a_side), (bx, by, b_side) = a, b
    large, small = max(a_side, b_side), min(a_side, b_side)
    return math.inf if large > 2 * small else math.hypot(bx - ax, by - ay) / large
