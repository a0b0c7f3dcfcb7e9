"""One sample's look: sizes, tiles, close-ups of missing faces, and boxes in the upright picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest

from core.config import DetectConfig, ScaleConfig
from core.detect.detection import Detection
from core.detect.registry import create
from core.detect.scanner import DOUBT, Scanner, cross_check, merge, tiles
from core.frame import Frame
from core.geometry import Box, iou
from core.pictures.orientation import Orientation
from core.pictures.planes import BgrImage, planes
from tests.rigs.faces import shot
from tests.rigs.fakes import found

WHOLE = DetectConfig(scales=(ScaleConfig(long_side=320),), follow_up=0)


class Recorder:
    """Remembers the shapes it was shown and finds bright squares."""

    name = "recorder"

    def __init__(self) -> None:
        self.calls: list[list[tuple[int, int]]] = []
        self.blind = False

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        self.calls.append([(picture.shape[1], picture.shape[0]) for picture in pictures])
        return [[] if self.blind else self._find(picture) for picture in pictures]

    def _find(self, picture: BgrImage) -> list[Detection]:
        ys, xs = np.nonzero(picture[:, :, 1] > 150)
        return [found(float(xs.min()), float(ys.min()), xs.max() + 1.0, ys.max() + 1.0)] if xs.size else []


def dark(width: int, height: int, *squares: Box, orientation: Orientation | None = None) -> Frame:
    picture = np.full((height, width, 3), 20, np.uint8)
    for box in squares:
        picture[round(box.y0) : round(box.y1), round(box.x0) : round(box.x1)] = 250
    video = av.VideoFrame.from_ndarray(picture, "bgr24")
    return Frame(0, video, 0.0, orientation or Orientation())


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (1280, 720), (641, 361), (64, 64)])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 4), (3, 5), (8, 8), (1, 3)])
def test_tiles_cover_everything_and_overlap(size: tuple[int, int], rows: int, columns: int) -> None:
    width, height = size
    parts = tiles(width, height, ScaleConfig(long_side=64, rows=rows, columns=columns))
    assert len(parts) == rows * columns
    seen = np.zeros((height, width), np.int64)
    for x0, y0, x1, y1 in parts:
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        seen[y0:y1, x0:x1] += 1
    assert seen.min() == 1
    for first, second in pairwise(parts):
        if first[1] == second[1]:
            assert first[2] - second[0] >= 0.1 * (first[2] - first[0]), "neighbours share a strip"


@pytest.mark.parametrize(
    ("detections", "kept"),
    [
        ([found(0, 0, 40, 40, 0.6), found(2, 2, 42, 42, 0.9)], [0.9]),
        ([found(0, 0, 40, 40, 0.6), found(60, 0, 100, 40, 0.9)], [0.9, 0.6]),
        ([found(0, 0, 40, 40, 0.6), found(10, 10, 30, 30, 0.9)], [0.9, 0.6]),
        ([found(0, 0, 40, 40, 0.6), found(0, 0, 40, 40, 0.9, "plate")], [0.9, 0.6]),
        ([found(i, 0, 40 + i, 40, 0.5 + i / 10) for i in range(4)], [0.8]),
        ([], []),
    ],
    ids=["same face", "two faces", "face in a face", "other label", "four views of one", "none"],
)
def test_merge(detections: list[Detection], kept: list[float]) -> None:
    assert [detection.score for detection in merge(detections)] == kept


BIG, SMALL = found(100, 100, 300, 300, 0.8), found(100, 100, 110, 110, 0.8)


@pytest.mark.parametrize(
    ("seen", "doubted"),
    [
        pytest.param({1280: [BIG], 320: []}, True, id="large, and the small size did not see it"),
        pytest.param({1280: [BIG], 320: [BIG]}, False, id="seen by both"),
        pytest.param({1280: [SMALL], 320: []}, False, id="too small for the small size"),
        pytest.param({1280: [BIG]}, False, id="nobody to ask"),
        pytest.param({1280: [], 320: [BIG]}, False, id="only the small size saw it"),
    ],
)
def test_cross_check(seen: dict[int, list[Detection]], doubted: bool) -> None:
    given = {detection for detections in seen.values() for detection in detections}
    checked = cross_check(seen, 1280)
    assert {replace(c, score=0.8) for c in checked} == given, "doubt never drops a find nor moves it"
    assert any(c.score < 0.8 for c in checked) == doubted


ORIENTATIONS = [Orientation(turn, flip) for turn in (0, 90, 180, 270) for flip in (False, True)]


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
@pytest.mark.parametrize(
    "config",
    [WHOLE, DetectConfig(scales=(ScaleConfig(long_side=160, rows=2, columns=2),), follow_up=0)],
    ids=["whole", "tiles"],
)
def test_boxes_are_those_of_the_upright_picture(orientation: Orientation, config: DetectConfig) -> None:
    upright_box = Box(30, 200, 80, 260)
    coded_size = (640, 320)
    frame = dark(*coded_size, orientation.to_coded(upright_box, *coded_size), orientation=orientation)
    detections = Scanner(Recorder(), config).scan(frame, 0.0, scene_start=True)
    assert detections and all(iou(d.box, upright_box) > 0.85 for d in detections)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_face_on_its_side_is_seen_upright(turn: int) -> None:
    picture, (face,) = shot(200, 150, 90)
    coded = np.ascontiguousarray(np.rot90(picture, turn // 90))
    frame = Frame(0, av.VideoFrame.from_ndarray(coded, "bgr24"), 0.0, Orientation(turn))
    (detection,) = Scanner(create("yunet", 0.4), WHOLE).scan(frame, 0.0, scene_start=True)
    assert iou(detection.box, face) > 0.55


def looked_at(every: int, interval: float, samples: int, starts: Sequence[int] = (0,)) -> list[list[int]]:
    """The widths each sample was looked at in, 256 px `every` so often; a scene begins at each of `starts`."""
    config = DetectConfig(scales=(ScaleConfig(long_side=128), ScaleConfig(long_side=256, every=every)), follow_up=0)
    recorder = Recorder()
    scanner = Scanner(recorder, config)
    widths = []
    for index in range(samples):
        recorder.calls.clear()
        scanner.scan(dark(640, 320), index * interval, scene_start=index in starts)
        widths.append([call[0][0] for call in recorder.calls])
    return widths


def test_each_size_has_its_own_rate_and_starts_with_the_scene() -> None:
    widths = looked_at(3, 0.1, 8, starts=(0, 5))
    assert widths == [[256, 128], [128], [128], [256, 128], [128], [256, 128], [128], [128]]


@pytest.mark.parametrize(
    ("interval", "large"),
    [
        pytest.param(0.06, [0, 5, 10], id="often: every fifth sample"),
        pytest.param(0.16, [0, 5, 10], id="nearly as usual: the same"),
        pytest.param(0.2, [0, 4, 8], id="seldom: as often in time"),
        pytest.param(1.0, [0, 3, 6, 9], id="very seldom: or the detector is slow, and must not be made slower"),
    ],
)
def test_no_size_is_used_too_seldom_where_samples_are_far_apart(interval: float, large: list[int]) -> None:
    assert [index for index, widths in enumerate(looked_at(5, interval, 12)) if 256 in widths] == large


def test_every_sample_is_looked_at_whatever_the_rates_of_the_sizes() -> None:
    recorder = Recorder()
    scanner = Scanner(recorder, DetectConfig(scales=(ScaleConfig(long_side=128, every=5),), follow_up=0))
    for index in range(4):
        scanner.scan(dark(640, 320), index / 10, scene_start=index == 0)
    assert len(recorder.calls) == 4


def test_a_size_at_which_the_detector_fails_does_not_spoil_every_look() -> None:
    class Failing(Recorder):
        def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
            if pictures[0].shape[1] == 256:
                raise RuntimeError("too large")
            return super().detect(pictures)

    config = DetectConfig(scales=(ScaleConfig(long_side=128), ScaleConfig(long_side=256, every=3)), follow_up=0)
    scanner, failed = Scanner(Failing(), config), 0
    for index in range(9):
        try:
            scanner.scan(dark(640, 320), index / 10, scene_start=index == 0)
        except RuntimeError:
            failed += 1
    assert failed == 3


FACE = Box(100, 100, 140, 140)
FOLLOW = DetectConfig(scales=(ScaleConfig(long_side=320),), follow_up=2, follow_up_side=96, memory=0.5)


def crops(second: float, *, config: DetectConfig = FOLLOW, scene_start: bool = False, blind: bool = True) -> int:
    """How many close-ups a sample without faces leads to, `second` seconds after one with a face."""
    recorder = Recorder()
    scanner = Scanner(recorder, config)
    scanner.scan(dark(640, 320, FACE), 0.0, scene_start=True)
    recorder.calls.clear()
    recorder.blind = blind
    scanner.scan(dark(640, 320, *([] if blind else [FACE])), second, scene_start=scene_start)
    assert all(size == (96, 96) for call in recorder.calls[1:] for size in call)
    return sum(len(call) for call in recorder.calls[1:])


@pytest.mark.parametrize(("side", "looked_for"), [(50, 1), (60, 0)])
def test_only_what_the_picture_was_too_small_for_is_looked_for_again(side: int, looked_for: int) -> None:
    """A face of 30 px in the scaled picture is plain to see: if it is not found there, it is hidden or gone."""
    recorder = Recorder()
    scanner = Scanner(recorder, FOLLOW)
    scanner.scan(dark(640, 320, Box(100, 100, 100 + side, 100 + side)), 0.0, scene_start=True)
    recorder.calls.clear()
    recorder.blind = True
    scanner.scan(dark(640, 320), 0.1, scene_start=False)
    assert len(recorder.calls) == 1 + looked_for


def test_a_missing_face_is_looked_for_again() -> None:
    assert crops(0.1) == 1
    assert crops(0.1, blind=False) == 0, "it was found: nothing to look for"
    assert crops(0.1, scene_start=True) == 0, "another scene, other faces"
    assert crops(0.1, config=FOLLOW.model_copy(update={"follow_up": 0})) == 0


class Keeper(Recorder):
    """Keeps the pictures it is shown, which a real detector must not, and copies of them."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[BgrImage, BgrImage]] = []

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        self.shown += [(picture, picture.copy()) for picture in pictures]
        return super().detect(pictures)

    def _find(self, picture: BgrImage) -> list[Detection]:
        if len(picture) == 96:
            return []
        return [found(50, 50, 70, 70), found(250, 50, 270, 70)]


def test_pictures_of_one_look_do_not_share_memory_and_the_next_look_uses_it_again() -> None:
    keeper = Keeper()
    scanner = Scanner(keeper, FOLLOW)
    rising = dark(640, 320)
    view = planes(rising.video)[0].array
    view[...] = np.arange(640, dtype=np.uint16)[None, :, None] // 3
    looks = []  # all kept, so that memory is not the same only because it was free again
    for index in range(4):
        keeper.shown = []
        keeper.blind = index > 0
        scanner.scan(rising, index / 10, scene_start=index == 0)
        assert all((picture == copy).all() for picture, copy in keeper.shown)
        looks.append(keeper.shown)
    places = [[picture.ctypes.data for picture, _ in look] for look in looks]
    first, second = (picture for picture, _ in keeper.shown[1:])
    assert first.shape == second.shape == (96, 96, 3) and not np.shares_memory(first, second)
    assert (first != second).any()
    assert places[2] == places[3]


def test_a_missing_face_is_looked_for_only_so_long() -> None:
    recorder = Recorder()
    scanner = Scanner(recorder, FOLLOW)
    scanner.scan(dark(640, 320, FACE), 0.0, scene_start=True)
    recorder.blind = True
    looked = []
    for index in range(1, 10):
        recorder.calls.clear()
        scanner.scan(dark(640, 320), index / 10, scene_start=False)
        looked.append(len(recorder.calls) - 1)
    assert looked[:5] == [1] * 5 and looked[-1] == 0


def test_a_picture_alone_is_looked_at_in_all_sizes_and_nothing_in_it_is_doubted() -> None:
    # Seen in the large picture only: a smaller one should have shown it, so it is worth less beside other samples.
    class OnlyLarge(Recorder):
        def _find(self, picture: BgrImage) -> list[Detection]:
            return [found(20, 20, 140, 140)] if picture.shape[1] == 256 else []

    config = DetectConfig(scales=(ScaleConfig(long_side=128), ScaleConfig(long_side=256, every=2)), follow_up=0)
    recorder = OnlyLarge()
    scanner = Scanner(recorder, config)
    scores = []
    for index, alone in enumerate([False, False, True]):
        recorder.calls.clear()
        detections = scanner.scan(dark(640, 320), index / 10, scene_start=index == 0, alone=alone)
        scores.append((len(recorder.calls), [round(d.score, 2) for d in detections]))
    full = found(0, 0, 1, 1).score
    assert scores == [(2, [round(full * DOUBT, 2)]), (1, []), (2, [full])]


class Shy(Recorder):
    """Sees nothing in whole pictures, only in close-ups."""

    def _find(self, picture: BgrImage) -> list[Detection]:
        return [] if picture.shape[1] == 320 and len(self.calls) > 1 else super()._find(picture)


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
@pytest.mark.parametrize("moved", [Box(105, 104, 145, 144), Box(100, 100, 140, 140)], ids=["moved", "still"])
def test_what_a_close_up_shows_lies_where_it_is_in_the_picture(orientation: Orientation, moved: Box) -> None:
    def frame(box: Box) -> Frame:
        return dark(640, 320, orientation.to_coded(box, 640, 320), orientation=orientation)

    scanner = Scanner(Shy(), FOLLOW)
    scanner.scan(frame(FACE), 0.0, scene_start=True)
    (detection,) = scanner.scan(frame(moved), 0.1, scene_start=False)
    assert iou(detection.box, moved) > 0.8


@pytest.mark.parametrize(
    "answer",
    [lambda pictures: [], lambda pictures: [[] for _ in (*pictures, 0)], lambda pictures: 1 / 0],
    ids=["too few", "too many", "raises"],
)
def test_a_wrong_answer_is_an_error_not_an_empty_scene(answer: Callable[[object], list[list[Detection]]]) -> None:
    class Wrong:
        name = "wrong"

        def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
            return answer(pictures)

    with pytest.raises((ValueError, ZeroDivisionError)):
        Scanner(Wrong(), WHOLE).scan(dark(64, 64), 0.0, scene_start=True)
