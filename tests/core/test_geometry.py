"""Boxes: how they grow, move, meet, and what counts as one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.geometry import Box, iou, overlap

BOX = Box(10, 20, 30, 60)
small = st.floats(-1e4, 1e4)
boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), small, small, st.floats(0.01, 1e4), st.floats(0.01, 1e4))


def test_measures() -> None:
    assert (BOX.width, BOX.height, BOX.center, BOX.area, BOX.side) == (20, 40, (20, 40), 800, 40)


@pytest.mark.parametrize(
    ("box", "valid"),
    [
        (BOX, True),
        (Box(-50, -60, -10, -5), True),
        (Box(-1e5, -1e5, 1e5, 1e5), True),
        (Box(1e200, 0, 1.1e200, 10), False),
        (Box(10, 10, 10, 20), False),
        (Box(30, 20, 10, 60), False),
        (Box(0, 0, 10, 1e-9), False),
        # Both sides negative: their product is an area, but this is no box.
        (Box(30, 60, 10, 20), False),
        (Box(math.nan, 0, 10, 10), False),
        (Box(0, 0, math.inf, 10), False),
        (Box(0, -math.inf, 10, 10), False),
    ],
)
def test_is_valid(box: Box, valid: bool) -> None:
    assert box.is_valid() is valid


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (BOX.grown(2), Box(0, 0, 40, 80)),
        (BOX.grown(1, 5), Box(5, 15, 35, 65)),
        (BOX.grown(0.5), Box(15, 30, 25, 50)),
        (BOX.moved(-10, 5), Box(0, 25, 20, 65)),
        (BOX.scaled(0.5, 2), Box(5, 40, 15, 120)),
        (BOX.clipped(25, 50), Box(10, 20, 25, 50)),
        (BOX.clipped(100, 100), BOX),
        (Box(-10, -10, 200, 300).clipped(100, 90), Box(0, 0, 100, 90)),
        (BOX.union(Box(0, 30, 20, 90)), Box(0, 20, 30, 90)),
        (BOX.lerp(Box(20, 40, 50, 100), 0), BOX),
        (BOX.lerp(Box(20, 40, 50, 100), 0.5), Box(15, 30, 40, 80)),
        (BOX.lerp(Box(20, 40, 50, 100), 1), Box(20, 40, 50, 100)),
    ],
)
def test_new_boxes(made: Box, expected: Box) -> None:
    assert made == expected


@pytest.mark.parametrize("box", [Box(-50, 10, -20, 40), Box(200, 10, 230, 40), Box(10, 300, 20, 400)])
def test_a_box_off_the_picture_has_no_part_inside(box: Box) -> None:
    assert box.clipped(100, 100).area == 0


@pytest.mark.parametrize(
    ("other", "shared", "ratio"),
    [
        (BOX, 800, 1.0),
        (BOX.moved(10, 0), 400, 1 / 3),
        (BOX.moved(20, 0), 0, 0.0),
        (BOX.moved(500, 500), 0, 0.0),
        (Box(15, 30, 20, 40), 50, 50 / 800),
        (Box(15, 30, 15, 40), 0, 0.0),
    ],
)
def test_overlap(other: Box, shared: float, ratio: float) -> None:
    assert overlap(BOX, other) == overlap(other, BOX) == shared
    assert iou(BOX, other) == iou(other, BOX) == pytest.approx(ratio)


def test_two_empty_boxes_do_not_divide_by_zero() -> None:
    assert iou(Box(1, 1, 1, 1), Box(1, 1, 1, 1)) == 0


@given(boxes, boxes)
def test_a_union_holds_both(a: Box, b: Box) -> None:
    both = a.union(b)
    assert min(a.x0, b.x0) == both.x0 and max(a.y1, b.y1) == both.y1
    assert overlap(a, both) == pytest.approx(a.area) and overlap(b, both) == pytest.approx(b.area)


@given(boxes, st.floats(1, 4), st.floats(0, 50))
def test_growing_never_uncovers(box: Box, factor: float, pad: float) -> None:
    grown = box.grown(factor, pad)
    assert grown.x0 <= box.x0 and grown.y0 <= box.y0 and grown.x1 >= box.x1 and grown.y1 >= box.y1
