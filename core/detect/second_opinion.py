"""A second detector of another family: what both find, even weakly, is a face; what it is sure of is one, too."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from core.config import SecondConfig
from core.detect.detection import Detection, Detector
from core.geometry import Box, iou
from core.pictures.planes import BgrImage

CROP_FACES = 3.0  # a crop shows this many face sizes
SAME_FACE = 0.3  # IoU: the two detectors draw their boxes differently
CONFIRMED = 0.5  # score of a find that both detectors report
SMALLEST = 8  # px: below, a crop shows nothing but interpolation

Crop = Callable[[Box, int], BgrImage]
"""The part of the upright picture in a box, at so many pixels a side."""


class SecondOpinion:
    """Confirms weak finds of the first detector in crops, and searches the whole picture now and then.

    One stream's; times in seconds on the engine's clock. Whatever the detector raises is passed on.
    """

    def __init__(self, detector: Detector, config: SecondConfig) -> None:
        self._detector, self._config = detector, config
        self._searched = -math.inf
        self._denied: list[tuple[Box, float]] = []

    def forget(self) -> None:
        """A new scene begins."""
        self._searched, self._denied = -math.inf, []

    def is_due(self, time: float) -> bool:
        """Whether the whole picture is to be searched at `time`."""
        return time - self._searched >= self._config.interval

    def search(
        self, time: float, picture: BgrImage, scale: tuple[float, float], weak: Sequence[Detection]
    ) -> tuple[list[Detection], list[Detection]]:
        """Search a whole picture: the faces found or confirmed, and the weak finds that are still open.

        `scale` leads from its pixels to those of the upright frame, in which `weak` is.
        """
        self._searched = time
        [answer] = self._detector.detect([picture])
        mine = [replace(d, box=d.box.scaled(*scale)) for d in answer]
        sure = [d for d in mine if d.score >= self._config.sure_score]
        confirmed = [w for w in weak if any(iou(w.box, d.box) > SAME_FACE for d in mine)]
        return [*sure, *map(_confirmed, confirmed)], [w for w in weak if w not in confirmed]

    def confirm(self, time: float, weak: Sequence[Detection], crop: Crop) -> list[Detection]:
        """Those of the weak finds, the best first and only so many, that a close look confirms."""
        config = self._config
        self._denied = [(box, at) for box, at in self._denied if 0 <= time - at < config.memory]
        worth = [
            d
            for d in sorted(weak, key=lambda d: -d.score)
            if d.box.side >= SMALLEST and not any(iou(d.box, box) > SAME_FACE for box, _ in self._denied)
        ][: config.crops]
        areas = [_around(d.box) for d in worth]
        answers = self._detector.detect([crop(area, config.crop_side) for area in areas]) if areas else []
        confirmed = []
        for find, area, answer in zip(worth, areas, answers, strict=True):
            factor = area.width / config.crop_side
            boxes = [d.box.scaled(factor, factor).moved(area.x0, area.y0) for d in answer]
            if any(iou(find.box, box) > SAME_FACE for box in boxes):
                confirmed.append(_confirmed(find))
            else:
                self._denied.append((find.box, time))
        return confirmed


def _confirmed(find: Detection) -> Detection:
    return replace(find, score=max(find.score, CONFIRMED))


def _around(box: Box) -> Box:
    (x, y), half = box.center, box.side * CROP_FACES / 2
    return Box(x - half, y - half, x + half, y + half)
