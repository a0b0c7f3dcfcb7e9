"""Which picture of the copy belongs to which of the original."""

from __future__ import annotations

import numpy as np
import pytest

from core.detect.cuts import Thumbnail
from core.verify.pairing import Candidate, Pairing, difference, shows_another

RNG = np.random.default_rng(3)
PICTURES: list[Thumbnail] = [RNG.integers(0, 255, (36, 64)).astype(np.uint8) for _ in range(30)]
STEP = 0.04


def matches(copy: list[tuple[float, Thumbnail]], time: float, thumbnail: Thumbnail) -> list[int]:
    pairing: Pairing[int] = Pairing()
    for number, (at, picture) in enumerate(copy):
        if pairing.wants(time):
            pairing.add(Candidate(at, picture, number))
    return [candidate.picture for candidate in pairing.matches(time, thumbnail)]


def test_the_same_moment_if_all_is_well() -> None:
    copy = [(i * STEP, picture) for i, picture in enumerate(PICTURES)]
    assert matches(copy, 10 * STEP, PICTURES[10]) == [10]


@pytest.mark.parametrize("missing", [1, 5])
def test_the_picture_counts_where_frames_are_missing(missing: int) -> None:
    copy = [(i * STEP, picture) for i, picture in enumerate(PICTURES[missing:])]
    assert matches(copy, 10 * STEP, PICTURES[10]) == [10, 10 - missing]


def test_pictures_that_do_not_move_are_paired_by_time() -> None:
    still = [(i * STEP, PICTURES[0]) for i in range(20)]
    assert matches(still, 10 * STEP, PICTURES[0]) == [10]


def test_none_where_none_is_near() -> None:
    assert matches([(0.0, PICTURES[0])], 2.0, PICTURES[0]) == []
    assert matches([], 0.0, PICTURES[0]) == []


def test_brightness_is_no_difference() -> None:
    dark = (PICTURES[0] // 2).astype(np.uint8)
    bright = (dark + 40).astype(np.uint8)
    assert difference(dark, bright) == 0 < difference(dark, (PICTURES[1] // 2).astype(np.uint8))


def test_another_picture_is_told_from_a_masked_one() -> None:
    masked = PICTURES[0].copy()
    masked[5:30, 10:40] = 128
    blanket = np.full_like(masked, 128)
    assert not shows_another(PICTURES[0], masked) and not shows_another(PICTURES[0], blanket)
    assert shows_another(PICTURES[0], PICTURES[1])
