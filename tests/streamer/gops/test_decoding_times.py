from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.gops.decoding_times import decoding_times


def test_without_reordering_pictures_are_decoded_when_they_are_shown() -> None:
    dts, delay = decoding_times([5, 7, 12])
    assert (dts.tolist(), delay) == ([5, 7, 12], 0)


def test_pyramid_of_b_frames() -> None:
    dts, delay = decoding_times([0, 40, 20, 10, 30, 80, 60, 50, 70])
    assert delay == 2
    assert dts.tolist() == [-20, -10, 0, 10, 20, 30, 40, 50, 60]


def test_a_segment_that_reorders_deeper_delays_all() -> None:
    dts, delay = decoding_times([0, 1, 2, 3, 6, 5, 4])
    assert delay == 2
    assert dts.tolist() == [-2, -1, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(("pts", "expected"), [([], []), ([7], [7]), ([9, 7], [5, 7])])
def test_few_packets(pts: list[int], expected: list[int]) -> None:
    assert decoding_times(pts)[0].tolist() == expected


def test_a_repeated_pts_is_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        decoding_times([0, 20, 10, 10])


@given(st.lists(st.integers(-(2**40), 2**40), unique=True, min_size=1, max_size=60))
def test_dts_increase_are_never_late_and_no_smaller_delay_would_do(pts: list[int]) -> None:
    dts, delay = decoding_times(pts)
    assert np.all(np.diff(dts) > 0) and np.all(dts <= np.asarray(pts))
    if delay:
        shown = sorted(pts)
        assert any(shown[k - delay + 1] > pts[k] for k in range(delay - 1, len(pts)))
