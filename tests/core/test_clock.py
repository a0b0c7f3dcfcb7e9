"""The engine's clock goes on, and never jumps back, whatever the time stamps say."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import ASSUMED_STEP, FIRST_STEP, LONGEST_STEP, StreamClock

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        pytest.param([0, 0.05, 0.1, 0.15], [0, 0.05, 0.1, 0.15], id="even"),
        pytest.param([-7.5, -7.4, -7.3], [0, 0.1, 0.2], id="starts at 0 wherever the source does"),
        pytest.param([0, 0.05, 0.05, 0.05, 0.1], [0, 0.05, 0.1, 0.15, 0.2], id="repeated: one usual step"),
        pytest.param([5, 5.05, 0, 0.05], [0, 0.05, 0.1, 0.15], id="starts anew"),
        pytest.param([0, 0.05, NAN, 0.2, 0.25], [0, 0.05, 0.1, 0.15, 0.2], id="no number"),
        pytest.param([0, 0.05, INF, -INF, 0.1], [0, 0.05, 0.1, 0.15, 0.2], id="infinite"),
        pytest.param([NAN, NAN, NAN], [0, FIRST_STEP, 2 * FIRST_STEP], id="nothing but no numbers"),
        pytest.param([0, 0, 0], [0, FIRST_STEP, 2 * FIRST_STEP], id="no clock at all"),
        pytest.param([0, 60, 60.1], [0, 60, 60.1], id="a pause counts"),
        pytest.param([0, 1 / 60, 2 / 60], [0, 1 / 60, 2 / 60], id="60 a second are believed"),
        pytest.param([0, 0.001, 0.002], [0, ASSUMED_STEP, 2 * ASSUMED_STEP], id="1000 a second are not"),
        pytest.param([0, 1e14, 1e14 + 0.05], [0, LONGEST_STEP, LONGEST_STEP + 0.05], id="a jump does not stop it"),
        pytest.param([0, 0.05, 60.05, 60.05], [0, 0.05, 60.05, 60.15], id="a pause is not the usual step"),
    ],
)
def test_time_of_each_frame(stamps: list[float], expected: list[float]) -> None:
    clock = StreamClock()
    assert [clock.tick(stamp) for stamp in stamps] == pytest.approx(expected)


ticks = st.integers(-(10**6), 10**6).map(lambda tick: tick / 90_000)


@given(st.lists(st.one_of(ticks, ticks, st.sampled_from((NAN, INF, -INF, 1e9))), min_size=2, max_size=60))
def test_it_always_goes_on(stamps: list[float]) -> None:
    clock = StreamClock()
    times = [clock.tick(stamp) for stamp in stamps]
    assert times[0] == 0
    assert all(a < b < INF for a, b in pairwise(times))
