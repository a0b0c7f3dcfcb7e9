from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.clocks import MaskClock

Ticks = Sequence[tuple[float, float | None]]


def steps(ticks: Ticks) -> list[float]:
    clock = MaskClock()
    times = [clock.tick(arrived, source) for arrived, source in ticks]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        pytest.param([(n / 25, n / 25) for n in range(50)], 0.04, id="steady"),
        pytest.param([(n / 25, None) for n in range(50)], 0.04, id="no stamps"),
        pytest.param([(n / 5, n / 25) for n in range(50)], 0.2, id="5 a second, stamped as 25 are"),
        pytest.param([(n / 25, 7.0) for n in range(50)], 0.04, id="stamps stand still"),
        pytest.param([(n / 25, -n / 25) for n in range(50)], 0.04, id="stamps run back"),
        pytest.param([(n / 25, 1e6 * n) for n in range(50)], 0.04, id="stamps leap"),
        pytest.param([(2 + n / 1000, n / 25) for n in range(50)], 0.04, id="a backlog in a burst"),
    ],
)
def test_steps(ticks: Ticks, expected: float) -> None:
    assert steps(ticks) == pytest.approx([expected] * 49)


def test_jitter_is_smoothed() -> None:
    chance = random.Random(3)
    found = steps([(n / 25 + chance.uniform(0, 0.03), n / 25) for n in range(500)])
    assert sum(abs(step - 0.04) > 0.001 for step in found) < 15


def test_a_stall_counts_in_full() -> None:
    ticks: list[tuple[float, float | None]] = [(n / 25, n / 25) for n in range(10)]
    ticks += [(2.36 + n / 500, 0.4 + n / 25) for n in range(40)]
    assert steps(ticks)[9] == pytest.approx(2.0, abs=0.07)
    assert steps(ticks)[10:] == pytest.approx([0.04] * 39)


@given(st.lists(st.tuples(st.floats(0, 2), st.one_of(st.none(), st.floats(-1e6, 1e6))), min_size=2, max_size=60))
def test_it_never_falls_behind_real_time(moves: list[tuple[float, float | None]]) -> None:
    clock, now = MaskClock(), 0.0
    seen: list[tuple[float, float]] = []
    for passed, source in moves:
        now += passed
        seen.append((now, clock.tick(now, source)))
    for i, (real, mine) in enumerate(seen):
        for later_real, later_mine in seen[i:]:
            assert later_mine - mine >= later_real - real - 0.06 - 1e-6
