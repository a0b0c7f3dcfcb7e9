"""Polygons become coverage of every plane, once."""

from __future__ import annotations

import math

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.config import ZoneConfig
from core.paint.zones import Zones, rasterized
from core.pictures.orientation import UPRIGHT, Orientation
from core.pictures.planes import planes

SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))


def _covered(zones: Zones, video: av.VideoFrame, orientation: Orientation = UPRIGHT) -> list[npt.NDArray[np.bool_]]:
    """Which samples of each plane lie in a zone."""
    views = planes(video)
    drawn = zones.patches(video.format.name, video.width, video.height, orientation, views)
    covered = [np.zeros(view.array.shape[:2], np.bool_) for view in views]
    for inside, placed in zip(covered, drawn, strict=True):
        for zone in placed:
            cover = zone.alpha.cover
            part = inside[zone.span.y0 : zone.span.y1, zone.span.x0 : zone.span.x1]
            part |= (cover if cover.ndim == 2 else cover.min(axis=2)) == 255
    return covered


@pytest.mark.parametrize("points", [SQUARE, SQUARE[::-1], SQUARE[2:] + SQUARE[:2]])
@pytest.mark.parametrize("unit", ["fractions", "pixels"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "nv12", "bgr24", "gray"])
def test_a_square_is_covered_on_every_plane(
    pixel_format: str, unit: str, points: tuple[tuple[float, float], ...]
) -> None:
    if unit == "pixels":
        points = tuple((x * 80, y * 40) for x, y in points)
    zone = ZoneConfig.model_validate({"points": points, "unit": unit})
    for inside in _covered(Zones([zone]), av.VideoFrame(80, 40, pixel_format)):
        height, width = inside.shape
        assert inside[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4].all()
        # One sample more on every side, and no further.
        assert inside.sum() <= (height // 2 + 2) * (width // 2 + 2)


def test_the_whole_picture_and_nothing() -> None:
    video = av.VideoFrame(81, 41, "yuv420p")
    whole = ZoneConfig(points=((0, 0), (1, 0), (1, 1), (0, 1)))
    assert all(inside.all() for inside in _covered(Zones([whole]), video))
    assert not any(inside.any() for inside in _covered(Zones([]), video))
    outside = ZoneConfig(points=((200, 0), (300, 0), (300, 50)), unit="pixels")
    assert not any(inside.any() for inside in _covered(Zones([outside]), video))
    beyond = ZoneConfig(points=((-1e5, -1e5), (1e5, -1e5), (1e5, 1e5), (-1e5, 1e5)), unit="pixels")
    assert all(inside.all() for inside in _covered(Zones([beyond]), video))
    assert Zones([outside]) and not Zones([])


@pytest.mark.parametrize(
    "orientation", [Orientation(turn, flip) for turn in (0, 90, 180, 270) for flip in (False, True)]
)
def test_points_are_of_the_upright_picture(orientation: Orientation) -> None:
    video = av.VideoFrame(80, 40, "gray")
    zone = ZoneConfig(points=((0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5)))
    (inside,) = _covered(Zones([zone]), video, orientation)
    upright = orientation.upright(inside.astype(np.uint8))
    height, width = upright.shape
    assert upright[: height // 2, : width // 2].all()
    assert not upright[height // 2 + 1 :].any()
    assert not upright[:, width // 2 + 1 :].any()


def test_a_polygon_that_crosses_itself_has_no_holes() -> None:
    angles = [math.radians(-90 + 144 * i) for i in range(5)]
    star = np.array([(50 + 45 * math.cos(a), 50 + 45 * math.sin(a)) for a in angles])
    assert rasterized(star, 100, 100)[50, 50] == 255
    bow_tie = np.array([(10, 10), (90, 90), (90, 10), (10, 90)], float)
    inside = rasterized(bow_tie, 100, 100)
    assert inside[50, 20] == inside[50, 80] == 255
    assert inside[20, 50] == inside[80, 50] == 0


def _winds_around(outline: npt.NDArray[np.float64], width: int, height: int) -> npt.NDArray[np.bool_]:
    """Whether the closed polygon goes around the middle of each sample: the angles it is seen at add up to turns."""
    middles = np.arange(width)[None, :] + 0.5 + 1j * (np.arange(height)[:, None] + 0.5)
    corners = outline[:, 0] + 1j * outline[:, 1]
    angle, on_an_edge = np.zeros((height, width)), np.zeros((height, width), np.bool_)
    for a, b in zip(corners, np.roll(corners, -1), strict=True):
        seen = np.angle((b - middles) * np.conj(a - middles))
        on_an_edge |= np.abs(seen) > np.pi - 1e-6  # neither inside nor outside
        angle += seen
    return (np.abs(angle) > np.pi) & ~on_an_edge


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(-30, 90), st.floats(-30, 90)), min_size=3, max_size=6))
def test_all_of_any_polygon_is_covered_and_little_else(points: list[tuple[float, float]]) -> None:
    outline = np.array(points)
    inside = rasterized(outline, 60, 50)
    assert (inside[_winds_around(outline, 60, 50)] == 255).all()
    rows, columns = np.nonzero(inside)
    if rows.size:
        assert (columns.min() >= outline[:, 0].min() - 2) and (columns.max() <= outline[:, 0].max() + 1)
        assert (rows.min() >= outline[:, 1].min() - 2) and (rows.max() <= outline[:, 1].max() + 1)


def test_zones_are_drawn_once_for_each_picture_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, int]] = []

    def counted(outline: npt.NDArray[np.float64], width: int, height: int) -> npt.NDArray[np.uint8]:
        drawn.append((width, height))
        return rasterized(outline, width, height)

    monkeypatch.setattr("core.paint.zones.rasterized", counted)
    zones = Zones([ZoneConfig(points=SQUARE)])
    for _ in range(3):
        _covered(zones, av.VideoFrame(80, 40, "gray"))
    assert drawn == [(80, 40)]
    _covered(zones, av.VideoFrame(80, 40, "gray"), Orientation(180))
    _covered(zones, av.VideoFrame(80, 40, "bgr24"))
    assert len(drawn) == 3
    for width in range(100, 120):
        _covered(zones, av.VideoFrame(width, 40, "gray"))
    drawn.clear()
    _covered(zones, av.VideoFrame(119, 40, "gray"))
    assert not drawn
    _covered(zones, av.VideoFrame(80, 40, "gray"))
    assert drawn == [(80, 40)]


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ({"points": ((0, 0), (1, 1))}, "points"),
        ({"points": ((0, 0), (1, 0), (math.nan, 1))}, "finite"),
        ({"points": ((0, 0), (1, 0), (math.inf, 1)), "unit": "pixels"}, "finite"),
        ({"points": ((0, 0), (1, 0), (1e9, 1)), "unit": "pixels"}, "100000"),
        ({"points": ((0, 0), (640, 0), (640, 360))}, "fractions.*pixels"),
        ({"points": ((0, 0), (1, 0), (0, -0.1))}, "fractions.*pixels"),
        ({"points": ((0, 0), (1, 0), (0, 1)), "unit": "percent"}, "unit"),
    ],
)
def test_invalid_zones_are_rejected(zone: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){message}"):
        ZoneConfig.model_validate(zone)
