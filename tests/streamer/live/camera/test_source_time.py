"""Wrapping counters and the pace of recordings."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from streamer.live.camera.source_time import Pacer, Unwrapper

BASE = Fraction(1, 90_000)


@pytest.mark.parametrize("bits", [32, 33])
def test_time_continues_when_the_counter_wraps(bits: int) -> None:
    unwrapper, start = Unwrapper(), (1 << bits) - 9000
    times = [unwrapper.seconds((start + n * 3600) % (1 << bits), BASE) for n in range(10)]
    assert all(time is not None for time in times)
    steps = [b - a for a, b in itertools.pairwise(times) if a is not None and b is not None]
    assert steps == pytest.approx([0.04] * 9, abs=1e-6)


def test_other_jumps_are_passed_on() -> None:
    unwrapper = Unwrapper()
    assert [unwrapper.seconds(pts, BASE) for pts in (900_000, 90_000, None, 9_000_000)] == [10, 1, None, 100]


def test_pictures_are_due_at_the_source_s_pace() -> None:
    pacer = Pacer()
    assert [pacer.due(5 + n * 0.1, 0.04, 100.0) for n in range(3)] == pytest.approx([100, 100.1, 100.2])


def test_without_timestamps_and_across_a_jump_the_frame_rate_is_used() -> None:
    pacer = Pacer()
    times = (None, None, 7.0, 7.04, 3.0, 90.0)
    dues = [pacer.due(time, 0.04, 100.0) for time in times]
    assert dues == pytest.approx([100 + 0.04 * n for n in range(6)])


def test_a_restart_continues_one_interval_later() -> None:
    pacer = Pacer()
    pacer.due(0.0, 0.04, 100.0)
    pacer.restart()
    assert pacer.due(0.0, 0.04, 100.0) == pytest.approx(100.04)


def test_pacing_does_not_catch_up() -> None:
    pacer = Pacer()
    pacer.due(0.0, 0.04, 100.0)
    assert pacer.due(0.04, 0.04, 103.0) == 103.0
    assert pacer.due(0.08, 0.04, 103.0) == pytest.approx(103.04)
