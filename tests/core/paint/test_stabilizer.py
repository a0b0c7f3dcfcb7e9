"""Painted regions stay in place as long as they cover what they must."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.geometry import Box
from core.paint.stabilizer import Stabilizer
from core.paint.styles import AlphaCache
from core.pictures.planes import planes

FACE = Box(100, 100, 180, 200)
steps = st.floats(-0.06, 0.06)
wavering = st.lists(st.tuples(steps, steps, steps, steps), min_size=2, max_size=20)


def _next(stabilizer: Stabilizer, wanted: Box, name: str | None = "face") -> Box:
    stabilizer.begin()
    return stabilizer.box(name, wanted)


@given(wavering)
def test_the_wanted_box_is_always_inside_and_little_more_is_painted(ways: list[tuple[float, ...]]) -> None:
    stabilizer, wanted, angles = Stabilizer(), FACE, np.linspace(0, 2 * np.pi, 64)
    for dx, dy, wider, taller in ways:
        (x, y), width, height = wanted.center, wanted.width * (1 + wider), wanted.height * (1 + taller)
        x, y = x + dx * width, y + dy * height
        wanted = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        painted = _next(stabilizer, wanted)
        around = painted.union(wanted)
        assert (around.width, around.height) <= (painted.width + 1e-9, painted.height + 1e-9)
        assert painted.width <= width * 1.2 + 1e-9
        assert painted.height <= height * 1.2 + 1e-9
        # The rim of the wanted ellipse, seen from the painted one.
        u = (x + np.cos(angles) * width / 2 - painted.center[0]) / (painted.width / 2)
        v = (y + np.sin(angles) * height / 2 - painted.center[1]) / (painted.height / 2)
        assert np.hypot(u, v).max() <= 1 + 1e-9


def test_a_box_that_jitters_in_place_and_size_is_painted_in_one_place() -> None:
    stabilizer = Stabilizer()
    painted = [_next(stabilizer, FACE.moved(dx, 0).grown(1 + dx / 200)) for dx in (0, 1, -1, 0.5, 1, 0, -1)]
    assert len(set(painted)) == 1


def test_a_box_that_moves_on_keeps_its_size_and_moves_with_the_face() -> None:
    stabilizer = Stabilizer()
    first = _next(stabilizer, FACE)
    moved = _next(stabilizer, FACE.moved(30, 0))
    assert moved.center == FACE.moved(30, 0).center
    assert (moved.width, moved.height) == pytest.approx((first.width, first.height))


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_another_size_is_followed_with_a_little_room(factor: float) -> None:
    stabilizer = Stabilizer()
    _next(stabilizer, FACE)
    painted, wanted = _next(stabilizer, FACE.grown(factor)), FACE.grown(factor)
    assert wanted.width < painted.width < 1.1 * wanted.width and wanted.height < painted.height < 1.1 * wanted.height


def test_faces_of_nearly_one_size_are_painted_in_few() -> None:
    sizes = {side: _next(Stabilizer(), Box(0, 0, side, side)).width for side in np.linspace(60, 120, 200)}
    assert all(1.029 * side <= size <= 1.07 * side for side, size in sizes.items())
    assert len({round(size, 9) for size in sizes.values()}) <= 26


@pytest.mark.parametrize("side", [31, 61, 122])
def test_a_face_that_moves_is_drawn_in_one_size(side: int) -> None:
    """Steps that are exact in the one module lie on the steps of the other: errors of rounding must not show."""
    stabilizer, alphas, video = Stabilizer(), AlphaCache(0.1, "ellipse"), av.VideoFrame(1920, 1080, "gray")
    shapes = set()
    for step in range(300):
        placed = alphas.place(
            planes(video)[0],
            _next(stabilizer, Box(101.3, 55.7, 101.3 + side, 55.7 + side).moved(step * 3.7, step * 1.9)),
        )
        assert placed is not None
        shapes.add(placed.shape)
    assert len(shapes) == 1


def test_a_region_that_was_absent_for_a_frame_starts_over() -> None:
    stabilizer = Stabilizer()
    _next(stabilizer, FACE.grown(1.1))
    stabilizer.begin()
    assert _next(stabilizer, FACE) == _next(Stabilizer(), FACE)


def test_a_region_without_a_name_is_painted_as_wanted() -> None:
    stabilizer = Stabilizer()
    _next(stabilizer, FACE.grown(1.03), None)
    assert _next(stabilizer, FACE, None) == FACE
