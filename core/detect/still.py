"""Finds faces in a single picture, which has time: many sizes, a mirrored copy, turned copies, two detectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from core.config import EngineConfig, ScaleConfig
from core.detect.detection import Detection, Detector
from core.detect.registry import create, default_scales
from core.detect.scanner import fitted_side, merge, tiles
from core.geometry import iou
from core.pictures.orientation import UPRIGHT, Orientation
from core.pictures.planes import BgrImage, scaled

SIDES: Final = (320, 640, 960, 1280)
"""Longer sides in pixels at which a whole picture is looked at: each finds faces that the others miss."""

QUICK_SIDES: Final = (320, 640)
"""The same for one detector in a hurry, which sees no mirrored copy either: a sixth of the time, twice the misses."""

TILE: Final = 1280
"""Larger pictures are also looked at in tiles with this longer side, so that faces of 16 px are seen in them, too."""

ENLARGED: Final = 2.0  # small pictures are not enlarged further than this: blobs start to look like faces
ENOUGH: Final = 0.6  # of the picture's own size; whatever is larger shows a face of 16 px at 10 px, which is found
MOST_TILES: Final = 8  # a side

WEAK: Final = 0.1  # scores of the first detector below this are no evidence
WEAK_SECOND: Final = 0.05  # the same for the second
SAME_FACE: Final = 0.3  # IoU: the two detectors draw their boxes differently
KNOWN: Final = 0.4  # IoU from which on a turned find is a face that is known already
EVIDENCE: Final = 0.5
"""What the best score of each detector at one place must add up to. Either can be sure enough alone."""

SMALL: Final = 1 / 16  # of the picture's longer side
EVIDENCE_SMALL: Final = 0.4
"""The same for smaller places: detectors are less sure of small faces, and a false find spoils less."""

TURN_SIDE: Final = 640
TURNED_SCORE: Final = 0.6
TURNED_SECOND: Final = 0.2
TURNED_EVIDENCE: Final = 0.6
"""A turned copy shows three times as many things that only look like a face. So both detectors must see one there, the
first clearly; only then is the turned picture searched like the upright one, and more evidence is asked for."""


@dataclass(frozen=True, slots=True)
class Find:
    """What is found at one place, and the sum of the best scores of both detectors there, 0 to 2."""

    detection: Detection
    score: float


class StillDetector:
    """Finds the faces of single pictures; one thread.

    With YuNet and a second detector, a face is what both together see clearly enough (`EVIDENCE`), over all sizes and
    a mirrored copy. Any other detector, and YuNet alone, must be sure by itself. YuNet alone and without turned copies
    is meant to be fast: two sizes, nothing mirrored. `make_detector` replaces the configured detectors. Raises what
    they raise.
    """

    def __init__(self, config: EngineConfig, make_detector: Callable[[], Detector] | None = None) -> None:
        name = config.detect.detector
        second = config.detect.second_detector if make_detector is None else None
        self._least = config.track.new_track_score if second is None else WEAK
        self._first = create(name, self._least) if make_detector is None else make_detector()
        self._second = None if second is None else create(second, WEAK_SECOND)
        self._scales = () if name == "yunet" else config.detect.scales or default_scales(name)
        alone = make_detector is None and name == "yunet" and second is None
        self._quick = alone and config.detect.turned_interval == 0

    def detect(self, picture: BgrImage) -> list[Detection]:
        """All faces in a BGR picture of shape (height, width, 3), uint8, one detection each; boxes in its pixels."""
        faces = self._upright(picture)
        return faces if self._second is None else [*faces, *self._turned(self._second, picture, faces)]

    def _upright(self, picture: BgrImage, least: float = 0.0) -> list[Detection]:
        height, width = picture.shape[:2]
        scales = self._scales or scales_for(width, height, QUICK_SIDES if self._quick else SIDES)
        first: list[Detection] = []
        second: list[Detection] = []
        for look in (look for scale in scales for look in looks(picture, scale, quick=self._quick)):
            mine = look.run(self._first)
            if not self._quick:
                mine += look.mirrored().run(self._first)
            first += mine
            # A tile in which the first detector has no idea is sky or wall: the second takes six times as long.
            if self._second is not None and (mine or not look.is_tile):
                second += look.run(self._second)
        if self._second is None:
            return merge(d for d in first if not d.score < self._least)  # a score that is none must get through
        small = SMALL * max(width, height)
        return [
            find.detection
            for find in weigh(first, second)
            if not find.score < max(least, EVIDENCE_SMALL if find.detection.box.side < small else EVIDENCE)
        ]

    def _turned(self, second: Detector, picture: BgrImage, known: Sequence[Detection]) -> list[Detection]:
        """Faces that lie or stand on their heads, as far as they are not known."""
        height, width = picture.shape[:2]
        [look] = looks(picture, ScaleConfig(long_side=TURN_SIDE))
        found = list(known)
        for orientation in map(Orientation, (90, 180, 270)):
            turned = look.seen(orientation)
            sure = [d for d in turned.run(self._first) if d.score >= TURNED_SCORE and _is_new(d, found)]
            again = [d for d in turned.run(second) if d.score >= TURNED_SECOND] if sure else []
            if any(iou(a.box, b.box) > SAME_FACE for a in sure for b in again):
                # One is there for certain: the others may be small.
                for face in self._upright(orientation.upright(picture), TURNED_EVIDENCE):
                    there = replace(face, box=orientation.to_coded(face.box, width, height))
                    found += [there] if _is_new(there, found) else []
        return found[len(known) :]


def _is_new(find: Detection, known: Sequence[Detection]) -> bool:
    return not any(iou(find.box, other.box) > KNOWN for other in known)


def in_both_views(known: Sequence[Detection], others: Sequence[Detection]) -> list[Detection]:
    """What was found in two views of one picture: a face that both show once, in a box around both."""
    faces = list(known)
    for find in others:
        same = next((i for i, face in enumerate(faces[: len(known)]) if iou(find.box, face.box) > KNOWN), None)
        if same is None:
            faces.append(find)
        else:
            best = max(faces[same], find, key=lambda d: d.score)
            faces[same] = replace(best, box=faces[same].box.union(find.box))
    return faces


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One image made of a picture or a part of it, and the way back: mirrored, turned, scaled, moved."""

    image: BgrImage
    scale: tuple[float, float] = (1.0, 1.0)
    corner: tuple[float, float] = (0.0, 0.0)
    orientation: Orientation = UPRIGHT
    is_tile: bool = False

    def mirrored(self) -> Look:
        """The same, left and right swapped."""
        return self.seen(Orientation(0, flip=True))

    def seen(self, orientation: Orientation) -> Look:
        """The same, as it looks when it is brought into this orientation."""
        return replace(self, orientation=orientation)

    def run(self, detector: Detector) -> list[Detection]:
        """What a detector finds, boxes in pixels of the whole picture."""
        height, width = self.image.shape[:2]
        [answer] = detector.detect([self.orientation.upright(self.image)])
        return [
            replace(d, box=self.orientation.to_coded(d.box, width, height).scaled(*self.scale).moved(*self.corner))
            for d in answer
        ]


def looks(picture: BgrImage, scale: ScaleConfig, *, quick: bool = False) -> Iterator[Look]:
    """The picture at one size, or its tiles; `quick`: made smaller in a tenth of the time, with a little aliasing."""
    height, width = picture.shape[:2]
    count = max(scale.rows, scale.columns)
    factor = scale.long_side * count / max(height, width)
    size = fitted_side(width * factor), fitted_side(height * factor)
    smooth = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    for x0, y0, x1, y1 in tiles(width, height, scale):
        part = picture[y0:y1, x0:x1]
        across, down = max(1, round((x1 - x0) * size[0] / width)), max(1, round((y1 - y0) * size[1] / height))
        image = scaled(part, across, down) if quick else cv2.resize(part, (across, down), interpolation=smooth)
        yield Look(np.asarray(image, np.uint8), ((x1 - x0) / across, (y1 - y0) / down), (x0, y0), is_tile=count > 1)


def scales_for(width: int, height: int, sides: Sequence[int] = SIDES) -> list[ScaleConfig]:
    """The sizes that suit a picture: `sides`, none of which enlarges it too much, and tiles of large ones."""
    long_side = max(width, height)
    whole = [ScaleConfig(long_side=side) for side in sides if side <= max(SIDES[0], ENLARGED * long_side)]
    parts, count = [], 1
    while TILE * count < ENOUGH * long_side and count < MOST_TILES:
        count *= 2
        parts.append(ScaleConfig(long_side=TILE, rows=count, columns=count))
    return [*whole, *parts]


def weigh(first: Sequence[Detection], second: Sequence[Detection]) -> list[Find]:
    """What two detectors report, place by place, the best first.

    A find's box encloses the best box of each detector at that place.
    """
    found = sorted([*first, *second], key=lambda d: -d.score)
    if not found:
        return []
    boxes = np.array([(d.box.x0, d.box.y0, d.box.x1, d.box.y1) for d in found], np.float64)
    by_first = np.isin(np.array([id(d) for d in found]), np.array([id(d) for d in first], np.int64))
    unseen = np.ones(len(found), np.bool_)
    finds: list[Find] = []
    for index, top in enumerate(found):
        if not unseen[index]:
            continue
        near = _overlaps(boxes[index], boxes) > SAME_FACE
        near[index] = True  # also a box that makes no sense
        unseen &= ~near
        # The best come first.
        there = [found[int(np.argmax(of))] for of in (near & by_first, near & ~by_first) if of.any()]
        box = there[0].box.union(there[-1].box)
        finds.append(Find(replace(top, box=box), sum(d.score for d in there)))
    return finds


def _overlaps(box: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """IoU of one box with many, (n,): a crowd gives thousands of weak finds."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.maximum(0.0, high - low).prod(axis=1)
    areas = np.maximum(0.0, boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    area = np.maximum(0.0, box[2:] - box[:2]).prod()
    overlaps: npt.NDArray[np.float64] = shared / np.maximum(area + areas - shared, 1e-9)
    return overlaps
