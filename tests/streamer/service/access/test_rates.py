"""Requests a minute, on a clock that the test turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.service.access import rates as room
from streamer.service.access.rates import RequestRates


@given(st.integers(1, 1000), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_never_more_than_the_burst_and_what_came_back(per_minute: int, gaps: list[float]) -> None:
    rates, now, let_in = RequestRates(), 0.0, 0
    for gap in gaps:
        now += gap
        wait = rates.wait("x", per_minute, now)
        let_in += wait == 0
        assert let_in <= per_minute + now * per_minute / 60 + 1e-6
        if wait:
            assert 0 < wait <= 60 / per_minute + 1e-6
            now += wait
            assert rates.wait("x", per_minute, now) == 0, "whoever waits as told gets in"
            let_in += 1


def test_owners_do_not_share_and_no_limit_is_none() -> None:
    rates = RequestRates()
    assert [rates.wait("a", 2, 0.0) for _ in range(2)] == [0, 0]
    assert rates.wait("a", 2, 0.0) == pytest.approx(30) and rates.wait("b", 2, 0.0) == 0
    assert not any(rates.wait("c", None, 0.0) for _ in range(1000))
    assert rates.wait("a", 2, -100.0) > 0, "a clock that is set back gives nothing away"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_OWNERS", 2)
    rates = RequestRates()
    for owner in "abc":
        assert rates.wait(owner, 1, 0.0) == 0
    assert rates.wait("c", 1, 0.0) > 0 and rates.wait("b", 1, 0.0) > 0 and rates.wait("a", 1, 0.0) == 0
