"""Boxes and pictures go to the upright picture and back together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.geometry import Box
from core.pictures.orientation import UPRIGHT, Orientation

WIDTH, HEIGHT = 7, 5
ORIENTATIONS = [Orientation(turn, flip) for turn in (0, 90, 180, 270) for flip in (False, True)]


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_every_pixel_of_the_upright_picture_maps_back_to_where_it_came_from(
    orientation: Orientation, channels: tuple[int, ...]
) -> None:
    coded = np.arange(WIDTH * HEIGHT, dtype=np.uint8).reshape(HEIGHT, WIDTH, *[1 for _ in channels])
    coded = np.ascontiguousarray(np.broadcast_to(coded, (HEIGHT, WIDTH, *channels)))
    upright = orientation.upright(coded)
    width, height = orientation.upright_size(WIDTH, HEIGHT)
    assert upright.shape == (height, width, *channels)
    for y in range(height):
        for x in range(width):
            box = orientation.to_coded(Box(x, y, x + 1, y + 1), WIDTH, HEIGHT)
            assert (box.width, box.height) == (1, 1)
            assert (coded[int(box.y0), int(box.x0)] == upright[y, x]).all()


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [
        (UPRIGHT, 0),
        (Orientation(90), 28),  # turned clockwise, the lower left corner comes to the upper left
        (Orientation(180), 34),
        (Orientation(270), 6),
        (Orientation(0, flip=True), 6),
        (Orientation(90, flip=True), 34),  # flipped first, then turned
    ],
    ids=str,
)
def test_turns_are_clockwise_and_come_after_the_flip(orientation: Orientation, corner: int) -> None:
    coded = np.arange(WIDTH * HEIGHT, dtype=np.uint8).reshape(HEIGHT, WIDTH)
    assert orientation.upright(coded)[0, 0] == corner


@given(
    st.sampled_from(ORIENTATIONS),
    st.tuples(*[st.integers(-50, 50)] * 4).map(lambda c: Box(c[0], c[1], c[0] + abs(c[2]) + 1, c[1] + abs(c[3]) + 1)),
)
def test_a_sound_box_stays_sound_and_keeps_its_area(orientation: Orientation, box: Box) -> None:
    coded = orientation.to_coded(box, WIDTH, HEIGHT)
    assert coded.is_valid()
    assert coded.area == box.area


@pytest.mark.parametrize("turn", [45, -90, 360, 1])
def test_other_turns_are_refused(turn: int) -> None:
    with pytest.raises(ValueError, match=f"not {turn}"):
        Orientation(turn)
