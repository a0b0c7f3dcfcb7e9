"""A second detector of another family, which speaks for or against the finds of the first, and also searches by itself.

The two err in different places. What both find, even weakly, is likely a face; what one finds and the other does not
see at all is likely none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from core.config import SecondConfig
from core.detect.detection import Detection, Detector
from core.geometry import Box, iou
from core.pictures.planes import BgrImage

CROP_FACES: Final = 3.0  # a crop shows this many face sizes
SAME_FACE: Final = 0.3  # IoU: the two detectors draw their boxes differently
SMALLEST: Final = 8  # px: below, a crop shows nothing but interpolation
LOWEST_SCORE: Final = 0.01  # of the second detector: below, nothing is told apart
OVERLAP: Final = 0.2  # IoU: two finds that may be of one face
COUNTS: Final = 0.44  # a find with this score is likely painted
CLEARER: Final = 0.15  # a find whose score has grown by this is shown again

Crop = Callable[[Box, int], BgrImage]
"""The part of the upright picture in a box, at so many pixels a side."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the second detector said about a find: its score there, 0 if it saw nothing. `time` in seconds."""

    find: Detection
    score: float
    time: float


class SecondOpinion:
    """The second detector of one stream; times in seconds on the engine's clock. Passes its detector's errors on."""

    def __init__(self, detector: Detector, config: SecondConfig, *, searches: bool = True) -> None:
        """`detector` must report scores from `LOWEST_SCORE` on. `searches`: it searches whole pictures, too."""
        self._detector, self._config, self._searches = detector, config, searches
        self._searched = -math.inf
        self._answers: list[_Answer] = []

    @property
    def long_side(self) -> int:
        """Longer side in pixels of the picture that `search` wants."""
        return self._config.long_side

    def forget(self) -> None:
        """A new scene begins."""
        self._searched, self._answers = -math.inf, []

    def is_due(self, time: float) -> bool:
        """Whether the whole picture is to be searched at `time`."""
        return self._searches and time - self._searched >= self._config.interval

    def search(
        self, time: float, picture: BgrImage, scale: tuple[float, float], finds: Sequence[Detection]
    ) -> list[Detection]:
        """Search a whole picture: the faces that it finds by itself. What it says of `finds` is remembered.

        `scale` leads from its pixels to those of the upright frame, in which `finds` are.
        """
        self._searched = time
        [answer] = self._detector.detect([picture])
        mine = [replace(d, box=d.box.scaled(*scale)) for d in answer]
        for find in finds:
            score = _score_at(find.box, mine)
            if score >= self._config.neutral_score:  # silence means little here: the face may be too small
                self._answers.append(_Answer(find, score, time))
        return [d for d in mine if d.score >= self._config.sure_score]

    def weigh(self, time: float, finds: Sequence[Detection], crop: Crop) -> list[Detection]:
        """The finds, each with the score that both detectors give it together.

        Those between `weak_score` and `trusted_score` are shown to the second detector in crops, the best first, unless
        it has been asked about their place already. Without an answer the score stays, and so does that of a find which
        overlaps a better one: what the second detector sees there is the better one's face.
        """
        config = self._config
        self._answers = [a for a in self._answers if 0 <= time - a.time < config.memory]
        doubtful = [
            d
            for d in finds
            if config.weak_score <= d.score < config.trusted_score
            and d.box.side >= SMALLEST
            and not any(other.score > d.score and iou(other.box, d.box) > OVERLAP for other in finds)
        ]
        asked = [d for d in sorted(doubtful, key=_urgency) if self._known(d) is None][: config.crops]
        areas = [_around(d.box) for d in asked]
        answers = self._detector.detect([crop(area, config.crop_side) for area in areas]) if areas else []
        for find, area, answer in zip(asked, areas, answers, strict=True):
            factor = area.width / config.crop_side
            seen = [replace(d, box=d.box.scaled(factor, factor).moved(area.x0, area.y0)) for d in answer]
            self._answers.append(_Answer(find, _score_at(find.box, seen), time))
        return [self._weighed(d) if d in doubtful else d for d in finds]

    def _known(self, find: Detection) -> _Answer | None:
        """The newest answer about the find's place, unless the find has become clearer since."""
        for answer in reversed(self._answers):
            if find.score < answer.find.score + CLEARER and iou(find.box, answer.find.box) > SAME_FACE:
                return answer
        return None

    def _weighed(self, find: Detection) -> Detection:
        answer = self._known(find)
        if answer is None:
            return find
        ratio = max(answer.score, LOWEST_SCORE) / self._config.neutral_score
        return replace(find, score=min(1.0, max(0.0, find.score + self._config.weight * math.log10(ratio))))


def _urgency(find: Detection) -> tuple[bool, float]:
    """Sorts finds: first those that are painted without an answer, the largest first, then the best of the rest."""
    counts = find.score >= COUNTS
    return not counts, -find.box.side if counts else -find.score


def _score_at(box: Box, seen: Sequence[Detection]) -> float:
    return max((d.score for d in seen if iou(box, d.box) > SAME_FACE), default=0.0)


def _around(box: Box) -> Box:
    (x, y), half = box.center, box.side * CROP_FACES / 2
    return Box(x - half, y - half, x + half, y + half)
