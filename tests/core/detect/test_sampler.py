"""The sampler samples often while the picture moves, rarely while it is still, and always where a scene starts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.config import SampleConfig
from core.detect.cuts import Thumbnail
from core.detect.sampler import Sampler

CONFIG = SampleConfig(min_interval=0.1, max_interval=0.4, change_level=10, change_share=0.01)
STEP = 0.05
POINTS = 36 * 64


def still(_: int) -> Thumbnail:
    return np.full((36, 64), 100, np.uint8)


def moving(index: int) -> Thumbnail:
    """A bright square of 5 x 5 points that goes around: more than one point in a hundred changes."""
    picture = still(0)
    x = index * 7 % 55
    picture[10:15, x : x + 5] = 200
    return picture


def flickering(index: int) -> Thumbnail:
    return np.full((36, 64), 100 + index % 2 * 9, np.uint8)


def twinkling(index: int) -> Thumbnail:
    """Fewer points than count change, though by much."""
    picture = still(0)
    picture[0, : POINTS // 110] = 255 * (index % 2)
    return picture


def creeping(index: int) -> Thumbnail:
    """Brightens by too little from frame to frame, but not since the last sample."""
    return np.full((36, 64), min(255, 50 + 4 * index), np.uint8)


@pytest.mark.parametrize(
    ("pictures", "gap"),
    [
        pytest.param(still, 0.4, id="still: max_interval"),
        pytest.param(moving, 0.1, id="moving: min_interval"),
        pytest.param(flickering, 0.4, id="below change_level"),
        pytest.param(twinkling, 0.4, id="below change_share"),
        pytest.param(creeping, 0.15, id="measured from the last sample"),
    ],
)
def test_rate_follows_motion(pictures: Callable[[int], Thumbnail], gap: float) -> None:
    sampler = Sampler(CONFIG)
    times = [i * STEP for i in range(41) if sampler.wants(i * STEP, pictures(i))]
    assert times[0] == 0
    assert np.diff(times) == pytest.approx(gap)


def test_first_frame_is_sampled_at_whatever_time() -> None:
    assert Sampler(CONFIG).wants(12.3, still(0))


def test_forced_frames_are_sampled_and_start_the_count_anew() -> None:
    sampler = Sampler(CONFIG)
    wanted = [i for i in range(20) if sampler.wants(i * STEP, still(i), forced=i == 3)]
    assert wanted == [0, 3, 11, 19]


@pytest.mark.parametrize("rate", [25, 1000])
def test_no_time_stamp_keeps_a_picture_that_is_quite_another_from_being_sampled(rate: int) -> None:
    sampler = Sampler(CONFIG)
    pictures = [np.full((36, 64), 100 + index % 2 * 50, np.uint8) for index in range(6)]
    assert all(sampler.wants(index / rate, picture) for index, picture in enumerate(pictures))


def test_moving_pictures_far_apart_are_all_sampled() -> None:
    sampler = Sampler(CONFIG)
    assert [i for i in range(6) if sampler.wants(i / 1000, moving(i), sparse=True)] == list(range(6))


def test_still_pictures_are_not_looked_at_more_often_for_being_far_apart() -> None:
    sampler = Sampler(CONFIG)
    assert [i for i in range(9) if sampler.wants(i * STEP, still(i), sparse=True)] == [0, 8]


def test_a_clock_that_goes_back_is_no_reason_to_wait() -> None:
    sampler = Sampler(CONFIG)
    assert sampler.wants(100, still(0))
    assert sampler.wants(1, still(1))


def test_bright_to_dark_does_not_wrap_around() -> None:
    # In uint8 the fall from 251 to 5 would count as a change of 10.
    sampler = Sampler(CONFIG)
    assert sampler.wants(0, np.full((36, 64), 251, np.uint8))
    assert sampler.wants(0.1, np.full((36, 64), 5, np.uint8))
