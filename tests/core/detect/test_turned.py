"""Faces that lie or stand on their heads: when turned copies are searched, and what of their finds counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from core.anonymizer import Anonymizer
from core.config import DetectConfig, EngineConfig, ScaleConfig, SecondConfig, TrackConfig
from core.detect.detection import Detection
from core.detect.turned import PATIENCE, TurnedScanner
from core.frame import Frame
from core.geometry import Box, iou
from core.pictures.orientation import Orientation
from tests.rigs.faces import FACE, astronaut
from tests.rigs.fakes import found

WIDTH, HEIGHT = 64, 32


class Copies:
    """A scanner that finds what `at` says for each turn, and notes which copies it was shown."""

    def __init__(self, finds: Callable[[int], list[Detection]]) -> None:
        self.finds, self.shown = finds, list[int]()

    def scan(self, frame: Frame, time: float, *, scene_start: bool, alone: bool = False) -> list[Detection]:
        self.shown.append(frame.orientation.turn)
        return self.finds(frame.orientation.turn)


def rig(
    finds: Callable[[int], list[Detection]], probed: Callable[[int], list[Detection]] | None = None
) -> tuple[TurnedScanner, Copies, Copies]:
    probe, full = Copies(probed or finds), Copies(finds)
    return TurnedScanner(Copies(lambda turn: []), lambda: probe, lambda: full, 1.0), probe, full


def frame(orientation: Orientation | None = None) -> Frame:
    video = av.VideoFrame.from_ndarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8), "bgr24")
    return Frame(0, video, 0.0, orientation or Orientation())


def nothing(turn: int) -> list[Detection]:
    return []


def test_copies_are_probed_at_a_scene_s_start_and_rarely_after_that() -> None:
    scanner, probe, full = rig(nothing)
    for i in range(35):
        scanner.scan(frame(), i / 10, scene_start=i == 0)
    assert probe.shown[:3] == [90, 180, 270] and full.shown == []
    assert sorted(probe.shown[3:]) == [90, 180, 270], "one a second"
    scanner.scan(frame(), 3.6, scene_start=True)
    assert probe.shown[6:] == [90, 180, 270], "a new scene"


def test_with_deadlines_the_copies_are_probed_after_a_scene_s_first_sample_one_with_each() -> None:
    probe = Copies(nothing)
    scanner = TurnedScanner(Copies(nothing), lambda: probe, lambda: probe, 1.0, spread=True)
    shown = []
    for i in range(12):
        scanner.scan(frame(), i / 10, scene_start=i in {0, 5})
        shown.append(list(probe.shown))
        probe.shown.clear()
    assert shown == [[], [90], [180], [270], [], [], [90], [180], [270], [], [], []]


def test_a_copy_with_a_face_is_searched_in_every_sample_until_the_face_is_gone() -> None:
    gone = False

    def finds(turn: int) -> list[Detection]:
        return [found(2, 4, 12, 14, 0.9)] if turn == 90 and not gone else []

    scanner, _, full = rig(finds)
    for i in range(5):
        assert len(scanner.scan(frame(), i / 10, scene_start=i == 0)) == 1
    assert full.shown == [90] * 5
    gone = True
    for i in range(5, 60):
        scanner.scan(frame(), i / 10, scene_start=False)
    assert len(full.shown) == 5 + math.ceil(PATIENCE * 10) - 1


@pytest.mark.parametrize(
    ("turn", "seen", "there"),
    [
        (90, Box(12, 4, 24, 14), Box(4, 8, 14, 20)),
        (180, Box(10, 6, 22, 16), Box(42, 16, 54, 26)),
        (270, Box(8, 4, 20, 14), Box(50, 8, 60, 20)),
    ],
)
@pytest.mark.parametrize("tag", [0, 180])
def test_boxes_are_in_the_upright_picture(turn: int, seen: Box, there: Box, tag: int) -> None:
    face = found(seen.x0, seen.y0, seen.x1, seen.y1)
    scanner, _, _ = rig(lambda t: [face] if (t - tag) % 360 == turn else [])
    [detection] = scanner.scan(frame(Orientation(tag)), 0.0, scene_start=True)
    assert detection.box == there


def test_a_first_face_must_be_sure_and_a_followed_one_need_not() -> None:
    score = 0.5
    scanner, _, full = rig(lambda turn: [found(2, 4, 12, 14, score)] if turn == 270 else [])
    assert scanner.scan(frame(), 0.0, scene_start=True) == [] and full.shown == []
    score = 0.7
    assert len(scanner.scan(frame(), 1.0, scene_start=True)) == 1
    score = 0.4
    assert len(scanner.scan(frame(), 1.1, scene_start=False)) == 1


def test_an_upright_face_is_not_found_a_second_time() -> None:
    upright = Copies(lambda turn: [found(10, 5, 30, 25, 0.9)])
    other = Copies(lambda turn: [found(34, 7, 54, 27, 0.8)] if turn == 180 else [])
    scanner = TurnedScanner(upright, lambda: other, lambda: other, 1.0)
    assert len(scanner.scan(frame(), 0.0, scene_start=True)) == 1


@pytest.mark.parametrize(("score", "count"), [(0.8, 1), (0.9, 2)])
def test_beside_upright_faces_a_turned_one_must_be_clear(score: float, count: int) -> None:
    upright = Copies(lambda turn: [found(40, 2, 50, 12, 0.9)])
    other = Copies(lambda turn: [found(2, 4, 12, 14, score)] if turn == 180 else [])
    scanner = TurnedScanner(upright, lambda: other, lambda: other, 1.0)
    assert len(scanner.scan(frame(), 0.0, scene_start=True)) == count


def test_a_score_that_is_none_gets_through() -> None:
    scanner, _, _ = rig(lambda turn: [found(2, 4, 12, 14, math.nan)] if turn == 90 else [])
    assert any(math.isnan(d.score) for d in scanner.scan(frame(), 0.0, scene_start=True))


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_face_on_its_side_is_masked_in_every_frame(turn: int) -> None:
    side = astronaut().shape[0]
    picture = np.full((side, side, 3), 90, np.uint8)
    small = cv2.resize(astronaut(), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    picture[100 : 100 + small.shape[0], 50 : 50 + small.shape[1]] = small
    picture = Orientation(turn).upright(picture)
    face = Orientation((360 - turn) % 360).to_coded(FACE.scaled(0.25, 0.25).moved(50, 100), side, side)

    def masked(turned_interval: float) -> list[bool]:
        # One size and one detector: large faces are found in any position.
        detect = DetectConfig(
            scales=(ScaleConfig(long_side=320),),
            follow_up=0,
            second=SecondConfig(detector="none"),
            turned_interval=turned_interval,
        )
        frames = []
        for i in range(8):
            video = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p")
            video.pts, video.time_base = i, Fraction(1, 8)
            frames.append(Frame(i, video, i / 8))
        with Anonymizer(EngineConfig(detect=detect, track=TrackConfig(min_score=0.44))) as engine:
            out = [m for f in frames for m in engine.push(f)] + engine.flush()
        return [any(iou(r.box, face) > 0.3 for r in m.regions) for m in out]

    assert masked(1.0) == [True] * 8
    assert not any(masked(0.0))
