"""Scene cuts on real pixels: found between pictures, and not made up where a camera moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import av
import numpy as np
import pytest

from core.detect.cuts import CutDetector
from core.pictures.planes import BgrImage, luma_thumbnail
from tests.rigs.faces import astronaut, carphone, panned, scenery, shot, turned, zoomed


def cuts(pictures: Sequence[BgrImage]) -> list[int]:
    """The frames with which a scene begins."""
    detector = CutDetector()
    frames = (av.VideoFrame.from_ndarray(picture, "bgr24") for picture in pictures)
    return [index for index, frame in enumerate(frames) if detector.update(luma_thumbnail(frame))]


def lit(picture: BgrImage, by: int) -> BgrImage:
    return np.clip(picture.astype(np.int16) + by, 0, 255).astype(np.uint8)


def half(picture: BgrImage) -> BgrImage:
    return np.ascontiguousarray(picture[:360, :480])


def between() -> list[BgrImage]:
    return [*panned().pictures[:10], *[scenery()] * 10, *panned().pictures[10:20]]


def to_another_face() -> list[BgrImage]:
    return [*carphone().pictures[:10], *[np.ascontiguousarray(p[:, :440]) for p in turned().pictures[:10]]]


def flash() -> list[BgrImage]:
    """One frame of somewhere else: where it begins and where it ends are cuts."""
    return [half(astronaut())] * 8 + [scenery()] + [half(astronaut())] * 8


def camera_flash() -> list[BgrImage]:
    """One frame much brighter: the same picture, so nothing new begins."""
    return [half(astronaut())] * 8 + [lit(half(astronaut()), 60)] + [half(astronaut())] * 8


def fade() -> list[BgrImage]:
    return [lit(half(astronaut()), -8 * i) for i in range(15)]


def to_black() -> list[BgrImage]:
    black = np.zeros_like(scenery())
    return [scenery()] * 6 + [black] * 6 + [half(astronaut())] * 6


def fast_pan() -> list[BgrImage]:
    return [shot(60 + 12 * i, 150, 200)[0] for i in range(25)]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(between, [0, 10, 20], id="between"),
        pytest.param(to_another_face, [0, 10], id="to another face"),
        pytest.param(flash, [0, 8, 9], id="flash"),
        pytest.param(to_black, [0, 6, 12], id="to black"),
        pytest.param(camera_flash, [0], id="camera flash"),
        pytest.param(fade, [0], id="fade"),
        pytest.param(lambda: panned().pictures, [0], id="pan"),
        pytest.param(lambda: zoomed().pictures, [0], id="zoom"),
        pytest.param(lambda: turned().pictures, [0], id="turn"),
        pytest.param(lambda: carphone().pictures, [0], id="talking"),
        pytest.param(fast_pan, [0], id="fast pan"),
        pytest.param(lambda: [scenery()] * 12, [0], id="still"),
        pytest.param(list, [], id="nothing"),
    ],
)
def test_cuts(make: Callable[[], list[BgrImage]], expected: list[int]) -> None:
    assert cuts(make()) == expected


def test_a_cut_in_the_midst_of_motion() -> None:
    """What is usual has risen with the motion; the cut still stands out."""
    assert cuts([*fast_pan()[:15], *carphone_at_size()[:5]]) == [0, 15]


def carphone_at_size() -> list[BgrImage]:
    return [np.ascontiguousarray(np.pad(p, ((0, 0), (20, 20), (0, 0)), mode="edge")) for p in carphone().pictures]


def noise(spread: int, count: int) -> list[BgrImage]:
    """Pictures that have nothing in common but how lively they are."""
    chance = np.random.default_rng(5)
    blocks = chance.integers(128 - spread, 128 + spread, (count, 9, 12, 1), np.uint8)
    return [np.kron(picture, np.ones((40, 40, 3), np.uint8)) for picture in blocks]


def test_little_change_is_no_cut_however_unlike_the_pictures_are() -> None:
    assert cuts(noise(8, 10)) == [0]


def test_where_everything_always_changes_nothing_stands_out() -> None:
    found = cuts(noise(40, 20))
    assert found[:2] == [0, 1] and max(found) < 10


def test_each_detector_remembers_its_own_stream() -> None:
    one, other = CutDetector(), CutDetector()
    a, b = (luma_thumbnail(av.VideoFrame.from_ndarray(p, "bgr24")) for p in (half(astronaut()), scenery()))
    assert (one.update(a), other.update(b)) == (True, True)
    assert (one.update(a), other.update(b)) == (False, False)
    assert one.update(b)
