"""Painted regions stay where they are as long as they cover what they must."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.geometry import Box
from core.steady import Steady

FACE = Box(100, 100, 180, 200)
boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    *[st.floats(-50, 50), st.floats(-50, 50), st.floats(20, 30), st.floats(20, 30)],
)


def _next(steady: Steady, wanted: Box, name: str | None = "face") -> Box:
    steady.begin()
    return steady.box(name, wanted)


@given(st.lists(boxes, min_size=2, max_size=20))
def test_what_is_wanted_is_always_inside_and_little_more_is_painted(wanted: list[Box]) -> None:
    steady = Steady(1.05)
    for box in wanted:
        painted = _next(steady, box)
        around = painted.union(box)
        assert around.width <= painted.width + 1e-9
        assert around.height <= painted.height + 1e-9
        assert painted.width <= box.width * 1.05 + 1e-9
        assert painted.height <= box.height * 1.05 + 1e-9


def test_a_box_that_trembles_and_breathes_is_painted_in_one_place() -> None:
    steady = Steady()
    _next(steady, FACE.grown(1.03))
    painted = [_next(steady, FACE.moved(dx, 0).grown(1 + dx / 100)) for dx in (1, -1, 0.5, 1, 0, -1)]
    assert len(set(painted[1:])) == 1


def test_a_box_that_moves_on_keeps_its_size_and_moves_with_the_face() -> None:
    steady = Steady()
    first = _next(steady, FACE.grown(1.04))
    moved = _next(steady, FACE.moved(30, 0))
    assert moved.center == FACE.moved(30, 0).center
    assert (moved.width, moved.height) == (first.width, first.height)


def test_a_box_that_shrinks_is_followed() -> None:
    steady = Steady()
    _next(steady, FACE)
    assert _next(steady, FACE.grown(0.8)) == FACE.grown(0.8)


def test_a_region_that_was_away_for_a_frame_begins_anew() -> None:
    steady = Steady()
    _next(steady, FACE.grown(1.03))
    steady.begin()
    assert _next(steady, FACE) == FACE


def test_a_region_without_a_name_is_painted_as_it_is_wanted() -> None:
    steady = Steady()
    _next(steady, FACE.grown(1.03), None)
    assert _next(steady, FACE, None) == FACE
