"""How far apart pictures are in time is told from the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from core.detect.cuts import Thumbnail
from core.detect.pace import Pace


def _scene(step: float, count: int = 30) -> list[Thumbnail]:
    """Soft blobs on a wide wall that slide by `step` points a picture."""
    wall = np.random.default_rng(7).normal(0, 1, (36, 4096))
    for _ in range(8):  # smooth, so that a small step changes little
        wall = (np.roll(wall, 1, 1) + wall + np.roll(wall, -1, 1)) / 3
    wall = np.clip(128 + 60 * wall / wall.std(), 0, 255).astype(np.uint8)
    return [wall[:, round(i * step) : round(i * step) + 64] for i in range(count)]


def _pace(pictures: list[Thumbnail]) -> float:
    pace = Pace()
    return [pace.update(picture) for picture in pictures][-1]


def test_pictures_close_together_change_twice_as_much_in_two_steps() -> None:
    assert _pace(_scene(1)) < 0.57


@pytest.mark.parametrize("step", [10, 40])
def test_pictures_far_apart_change_as_much_in_one_step_as_in_two(step: float) -> None:
    assert _pace(_scene(step)) > 0.75


def test_leaving_pictures_out_shows() -> None:
    assert _pace(_scene(2, 10)) < _pace(_scene(2, 40)[::4])


def test_nothing_moves() -> None:
    still = np.full((36, 64), 90, np.uint8)
    noise = np.random.default_rng(1).integers(-2, 3, (20, 36, 64))
    assert _pace([still] * 20) == 0
    assert _pace([(still + n).astype(np.uint8) for n in noise]) == 0, "a camera's noise is no motion"


def test_the_first_picture_tells_nothing_and_the_second_is_taken_for_sparse() -> None:
    assert _pace(_scene(20, 1)) == 0
    assert _pace(_scene(2, 2)) == 1
