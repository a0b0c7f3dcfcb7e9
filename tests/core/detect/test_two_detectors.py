"""A sample's look by two detectors: what the second one's word changes in a scanner's finds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import av
import numpy as np
import pytest

from core.config import DetectConfig, ScaleConfig, SecondConfig
from core.detect.detection import Detection
from core.detect.scanner import Scanner
from core.detect.second_opinion import SecondOpinion
from core.frame import Frame
from core.pictures.orientation import Orientation
from core.pictures.planes import BgrImage
from tests.rigs.fakes import found

BLACK = Frame(0, av.VideoFrame.from_ndarray(np.zeros((180, 320, 3), np.uint8), "bgr24"), 0.0, Orientation())
WHOLE = DetectConfig(scales=(ScaleConfig(long_side=320),), follow_up=0)


class Scripted:
    """Finds what it is told, in every picture of the whole size; sees nothing in crops."""

    name = "scripted"

    def __init__(self, *finds: Detection, crops: float = 0.0) -> None:
        self.finds, self.crops = finds, crops

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        answers: list[list[Detection]] = []
        for picture in pictures:
            side = picture.shape[0]
            if picture.shape[1] != side:
                answers.append(list(self.finds))
            else:
                middle = found(side / 3, side / 3, 2 * side / 3, 2 * side / 3, self.crops)
                answers.append([middle] if self.crops else [])
        return answers


SECOND = SecondConfig(neutral_score=0.1, sure_score=0.5, long_side=320)


def two(first: Scripted, second: Scripted) -> Scanner:
    return Scanner(first, WHOLE, SecondOpinion(second, SECOND), 0.3)


def scores(scanner: Scanner, time: float = 0.0, scene_start: bool = True) -> list[float]:
    seen = scanner.scan(BLACK, time, scene_start=scene_start)
    return sorted(round(d.score, 6) for d in seen)


@pytest.mark.parametrize(
    ("score", "second", "expected"),
    [
        pytest.param(0.2, 1.0, [0.7], id="weak, and the second one sees it"),
        pytest.param(0.2, 0.0, [], id="weak, and the second one does not"),
        pytest.param(0.6, 0.0, [0.3], id="denied, but it may go on with a track"),
        pytest.param(0.9, 0.0, [0.9], id="certain"),
    ],
)
def test_the_second_detector_is_heard(score: float, second: float, expected: list[float]) -> None:
    assert scores(two(Scripted(found(100, 60, 140, 100, score)), Scripted(crops=second))) == expected


def test_nothing_is_taken_from_a_face_that_was_there_a_moment_ago() -> None:
    first = Scripted(found(100, 60, 140, 100, 0.9))
    scanner = two(first, Scripted())
    assert scores(scanner) == [0.9]
    first.finds = (found(102, 60, 142, 100, 0.6),)
    assert scores(scanner, 0.1, scene_start=False) == [0.6]
    first.finds = (found(90, 50, 158, 118, 0.6),)
    assert scores(scanner, 0.2, scene_start=False) == [0.3], "something much larger around it is no such face"


def test_what_the_second_detector_is_sure_of_counts_once() -> None:
    second = Scripted(found(101, 61, 141, 99, 0.95), found(200, 60, 240, 100, 0.8), found(10, 10, 50, 50, 0.4))
    scanner = two(Scripted(found(100, 60, 140, 100, 0.9)), second)
    seen = scanner.scan(BLACK, 0.0, scene_start=True)
    assert sorted(d.box.x0 for d in seen) == [100, 200], "the first one's box where both see a face; nothing unsure"
    assert len(scanner.scan(BLACK, 0.5, scene_start=False)) == 1, "the whole picture is not due yet"


@pytest.mark.parametrize("score", [math.nan, -0.5])
def test_a_score_that_is_none_gets_past_the_second_detector(score: float) -> None:
    seen = two(Scripted(found(100, 60, 140, 100, score)), Scripted()).scan(BLACK, 0.0, scene_start=True)
    assert len(seen) == 1 and not seen[0].score >= 0


def test_an_error_of_the_second_detector_is_passed_on() -> None:
    class Broken(Scripted):
        def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        two(Scripted(), Broken()).scan(BLACK, 0.0, scene_start=True)
