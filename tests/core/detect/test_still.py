"""Faces in single pictures: what two detectors see together, at every size, mirrored, turned, in tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from core.config import DetectConfig, EngineConfig, ScaleConfig, SecondConfig
from core.detect import still
from core.detect.detection import Detection, Detector
from core.detect.registry import create
from core.detect.still import EVIDENCE, SIDES, TILE, StillDetector, in_both_views, looks, scales_for, weigh
from core.geometry import Box, iou
from core.pictures.orientation import Orientation
from core.pictures.planes import BgrImage
from tests.rigs.faces import FACE, astronaut, scenery
from tests.rigs.fakes import found

WITHOUT = EngineConfig(detect=DetectConfig(second=SecondConfig(detector="none")))


class Bright:
    """Finds the brightest spot, by what it looks like in each image; records the images' sizes."""

    name = "bright"

    def __init__(self, score: float = 0.9) -> None:
        self.score, self.sizes = score, [(0, 0)][:0]

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        answers = []
        for picture in pictures:
            self.sizes.append((picture.shape[1], picture.shape[0]))
            ys, xs = np.nonzero(picture[:, :, 0] > 128)
            box = Box(float(xs.min()), float(ys.min()), float(xs.max()) + 1, float(ys.max()) + 1) if len(xs) else None
            answers.append([] if box is None else [Detection(box, self.score, self.name)])
        return answers


def spot(width: int, height: int, box: Box) -> BgrImage:
    picture = np.zeros((height, width, 3), np.uint8)
    cv2.rectangle(picture, (int(box.x0), int(box.y0)), (int(box.x1) - 1, int(box.y1) - 1), (255, 255, 255), -1)
    return picture


# Looks and the way back


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scale", [ScaleConfig(long_side=320), ScaleConfig(long_side=640, rows=2, columns=2)])
def test_boxes_come_back_to_the_picture(turn: int, flip: bool, scale: ScaleConfig) -> None:
    where = Box(60, 260, 140, 320)
    boxes = [
        detection.box
        for look in looks(spot(1000, 600, where), scale)
        for detection in look.seen(Orientation(turn, flip)).run(Bright())
    ]
    assert boxes and all(iou(box, where) > 0.85 for box in boxes)


def test_sizes_suit_the_picture() -> None:
    whole = {size: [s.long_side for s in scales_for(*size) if s.rows == 1] for size in ((312, 233), (640, 480), (9, 9))}
    assert whole == {(312, 233): [320], (640, 480): [320, 640, 960, 1280], (9, 9): [320]}
    tiled = {side: [s.rows for s in scales_for(side, 600) if s.rows > 1] for side in (1920, 2200, 4000, 6000, 50_000)}
    assert tiled == {1920: [], 2200: [2], 4000: [2], 6000: [2, 4], 50_000: [2, 4, 8]}


def test_a_face_of_16_px_is_shown_large_enough_in_every_picture() -> None:
    for side in range(400, 17_000, 100):
        widest = max(s.long_side * s.rows for s in scales_for(side, side // 2))
        assert 16 * widest / side >= 16 * still.ENOUGH


def test_tiles_are_not_larger_than_they_should_be() -> None:
    for look in looks(np.zeros((3000, 4000, 3), np.uint8), ScaleConfig(long_side=TILE, rows=2, columns=2)):
        assert max(look.image.shape) <= TILE * 1.15


# Evidence


def test_evidence_adds_up_over_detectors_but_not_over_looks() -> None:
    first = [found(0, 0, 40, 40, 0.3), found(1, 0, 41, 40, 0.25), found(100, 100, 140, 140, 0.3)]
    second = [found(4, 4, 44, 48, 0.24), found(300, 300, 320, 320, 0.6)]
    finds = weigh(first, second)
    assert [round(find.score, 2) for find in finds] == [0.6, 0.54, 0.3]
    assert finds[1].detection.box == Box(0, 0, 44, 48), "the box holds what both draw"
    assert weigh([], []) == []


def test_weak_finds_at_different_places_are_no_face() -> None:
    finds = weigh([found(0, 0, 40, 40, 0.4)], [found(30, 30, 70, 70, 0.4)])
    assert len(finds) == 2 and all(find.score < EVIDENCE for find in finds)


def scripted(first: Bright, second: Bright, monkeypatch: pytest.MonkeyPatch) -> StillDetector:
    made = {"yunet": first, "centerface": second}
    monkeypatch.setattr(still, "create", lambda name, score: made[name])
    return StillDetector(EngineConfig())


@pytest.mark.parametrize(("one", "two", "count"), [(0.3, 0.25, 1), (0.3, 0.15, 0), (0.55, 0.0, 1), (0.0, 0.55, 1)])
def test_both_together_must_be_sure(one: float, two: float, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = scripted(Bright(one), Bright(two), monkeypatch)
    faces = detector.detect(spot(640, 480, Box(100, 100, 180, 190)))
    assert len(faces) == count
    assert all(iou(face.box, Box(100, 100, 180, 190)) > 0.9 for face in faces)


@pytest.mark.parametrize(("side", "count"), [(30, 1), (80, 0)])
def test_less_evidence_is_enough_for_small_faces(side: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = scripted(Bright(0.25), Bright(0.2), monkeypatch)
    assert len(detector.detect(spot(640, 480, Box(100, 100, 100 + side, 100 + side)))) == count


def test_every_size_and_the_mirrored_copy_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Bright(), Bright()
    scripted(first, second, monkeypatch).detect(spot(1280, 960, Box(100, 100, 180, 190)))
    assert [width for width, _ in first.sizes[:8]] == [side for side in SIDES for _ in range(2)]
    assert [width for width, _ in second.sizes] == list(SIDES)


class AtTheTop(Bright):
    """Sees a spot in the upper half of an image alone, as detectors see faces that stand upright."""

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        return [
            [d for d in answer if d.box.center[1] < picture.shape[0] / 2]
            for picture, answer in zip(pictures, super().detect(pictures), strict=True)
        ]


@pytest.mark.parametrize(
    ("one", "two", "count"),
    [(0.9, 0.9, 1), (0.65, 0.25, 1), (0.55, 0.9, 0), (0.9, 0.1, 0)],
    ids=["clear", "just enough", "the first is not sure", "the second sees nothing"],
)
def test_turned_copies_need_both(one: float, two: float, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = scripted(AtTheTop(one), AtTheTop(two), monkeypatch)
    where = Box(100, 400, 180, 470)  # at the bottom
    faces = detector.detect(spot(640, 480, where))
    assert [iou(face.box, where) > 0.85 for face in faces] == [True] * count


def test_empty_tiles_are_not_shown_to_the_second_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Bright(), Bright()
    scripted(first, second, monkeypatch).detect(spot(4000, 3000, Box(100, 100, 180, 190)))
    assert len(second.sizes) == len(SIDES) + 1


def test_a_score_that_is_none_is_passed_on() -> None:
    broken = StillDetector(EngineConfig(), lambda: Bright(math.nan)).detect(spot(640, 480, Box(100, 100, 180, 190)))
    assert broken and all(math.isnan(face.score) for face in broken)


# Real faces


@pytest.fixture(scope="module")
def real() -> StillDetector:
    return StillDetector(EngineConfig())


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_face_in_every_position(turn: int, real: StillDetector) -> None:
    lying = Orientation(turn).upright(astronaut())
    back = [Orientation(turn).to_coded(face.box, 512, 512) for face in real.detect(lying)]
    assert any(iou(box, FACE) > 0.5 for box in back)


def test_faces_of_every_size(real: StillDetector) -> None:
    for side in (20, 30, 60, 120, 250, 400):
        scale = side / FACE.side
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        face = np.asarray(cv2.resize(astronaut(), None, fx=scale, fy=scale, interpolation=smooth), np.uint8)[
            :900, :1600
        ]
        canvas = np.full((900, 1600, 3), 90, np.uint8)
        canvas[: face.shape[0], : face.shape[1]] = face
        assert any(iou(d.box, FACE.scaled(scale, scale)) > 0.4 for d in real.detect(canvas)), side


def test_a_small_face_in_a_large_picture(real: StillDetector) -> None:
    scale = 20 / FACE.side
    face = np.asarray(cv2.resize(astronaut(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.full((2700, 4000, 3), 90, np.uint8)
    canvas[1300 : 1300 + face.shape[0], 2500 : 2500 + face.shape[1]] = face
    assert any(iou(d.box, FACE.scaled(scale, scale).moved(2500, 1300)) > 0.4 for d in real.detect(canvas))


def test_bricks_are_no_faces(real: StillDetector) -> None:
    assert real.detect(scenery()) == []


def test_without_a_second_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    def make(name: str, score: float) -> Detector:
        used.append(name)
        return create(name, score)

    monkeypatch.setattr(still, "create", make)
    [face] = StillDetector(WITHOUT).detect(astronaut())
    assert iou(face.box, FACE) > 0.5 and used == ["yunet"]


def test_a_face_in_two_views_is_one_face() -> None:
    a, b, c = (Detection(Box(x, 0, x + 10, 10), score, "any") for x, score in ((0, 0.5), (2, 0.9), (40, 0.7)))
    assert in_both_views([a], [b, c]) == [Detection(Box(0, 0, 12, 10), 0.9, "any"), c]
    assert in_both_views([], [a, b]) == [a, b], "two that overlap in one view are two"
    broken = Detection(Box(math.nan, 0, 1, 1), 0.9, "any")
    assert in_both_views([a], [broken])[1] is broken


def test_one_detector_in_a_hurry_looks_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[tuple[int, int]] = []
    run = still.Look.run

    def counted(look: still.Look, detector: Detector) -> list[Detection]:
        looked.append((max(look.image.shape[:2]), int(look.orientation.flip)))
        return run(look, detector)

    monkeypatch.setattr(still.Look, "run", counted)
    alone = DetectConfig(second=SecondConfig(detector="none"), turned_interval=0)
    assert len(StillDetector(EngineConfig(detect=alone)).detect(astronaut())) == 1
    assert looked == [(320, 0), (640, 0)]
    looked.clear()
    StillDetector(EngineConfig(detect=alone.model_copy(update={"turned_interval": 1.0}))).detect(astronaut())
    assert {flip for _, flip in looked} == {0, 1} and len(looked) > 4
