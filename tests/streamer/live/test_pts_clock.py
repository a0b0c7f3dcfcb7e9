from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.clocks import PtsClock
from streamer.live.packet import CLOCK


def test_network_jitter_does_not_show() -> None:
    clock, chance = PtsClock(), random.Random(1)
    stamps = [clock.stamp(100 + n / 25 + chance.uniform(0, 0.03), 7 + n / 25) for n in range(250)]
    steps = [b - a for a, b in itertools.pairwise(stamps)]
    assert max(abs(step - CLOCK / 25) for step in steps) < 0.002 * CLOCK


def test_without_timestamps_arrival_time_is_used() -> None:
    clock = PtsClock()
    assert [clock.stamp(5.0 + t) for t in (0, 0.1, 0.5)] == [0, 9000, 45000]


def test_a_reset_source_clock_does_not_move_the_picture() -> None:
    clock = PtsClock()
    clock.stamp(10.0, 1.0)
    assert clock.stamp(10.04, 5000.0) == pytest.approx(3600, abs=2)
    assert clock.stamp(10.08, -3.0) == pytest.approx(7200, abs=2)


def test_drift_is_followed() -> None:
    clock = PtsClock()
    for n in range(5000):
        last = clock.stamp(n / 25, 1.001 * n / 25)
    assert last / CLOCK == pytest.approx(4999 / 25, abs=0.1)


@given(st.lists(st.tuples(st.floats(0, 2), st.one_of(st.none(), st.floats(-1e6, 1e6))), max_size=50))
def test_it_always_increases(steps: list[tuple[float, float | None]]) -> None:
    clock, now, last = PtsClock(), 0.0, -1
    for step, source in steps:
        now += step
        stamp = clock.stamp(now, source)
        assert stamp > last
        last = stamp
