from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.media.timestamps import Continuity, PtsFiller, Stamp, StampMapper, common_timescale


def encode(frames: list[tuple[int, int]], delay: int, slack: int = 0) -> list[Stamp]:
    """How an encoder with `delay` consecutive B-frames reorders the counters."""
    mapper = StampMapper(slack)
    counters = [mapper.push(pts, duration) for pts, duration in frames]
    order: list[int] = []
    for start in range(0, len(counters), delay + 1):
        group = counters[start : start + delay + 1]
        order += [group[-1], *group[:-1]]
    reorder = min(delay, 1)
    stamps = [mapper.pop(shown, at - reorder, at == len(order) - 1) for at, shown in enumerate(order)]
    assert mapper.waiting == 0
    return stamps


def test_constant_rate_without_reordering_is_left_alone() -> None:
    assert encode([(0, 40), (40, 40), (80, 40)], delay=0) == [Stamp(0, 0, 40), Stamp(40, 40, 40), Stamp(80, 80, 40)]


def test_reordered_frames_are_decoded_before_they_are_shown() -> None:
    stamps = encode([(0, 40), (40, 40), (80, 40), (120, 40)], delay=1)
    assert [stamp.pts for stamp in stamps] == [40, 0, 120, 80]
    assert [stamp.dts for stamp in stamps] == [-40, 0, 40, 80]


steps = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), min_size=1, max_size=60)


@given(st.integers(-100_000, 100_000), steps, st.integers(0, 3), st.integers(64, 100))
def test_pts_survive_and_dts_rise_below_them(start: int, moves: list[tuple[int, int]], delay: int, slack: int) -> None:
    pts, frames = start, []
    for step, duration in moves:
        frames.append((pts, duration))
        pts += step
    stamps = encode(frames, delay, slack)
    assert sorted((stamp.pts, stamp.duration) for stamp in stamps) == sorted(frames)
    assert all(stamp.dts <= stamp.pts for stamp in stamps)
    assert all(a.dts < b.dts for a, b in pairwise(stamps))


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=40), st.integers(0, 3))
def test_even_senseless_pts_give_valid_dts(pts: list[int], delay: int) -> None:
    stamps = encode([(value, 1) for value in pts], delay)
    assert len(stamps) == len(pts)
    assert all(stamp.dts <= stamp.pts for stamp in stamps)
    assert all(a.dts < b.dts for a, b in pairwise(stamps))


@given(st.lists(st.integers(1, 5000), min_size=3, max_size=40), st.integers(0, 2))
def test_dts_span_what_pts_span(durations: list[int], delay: int) -> None:
    pts, frames = 0, []
    for duration in durations:
        frames.append((pts, duration))
        pts += duration
    stamps = encode(frames, delay)
    assert stamps[-1].dts + stamps[-1].duration - stamps[0].dts >= min(pts, stamps[-1].pts + stamps[-1].duration)
    if delay == 0:
        assert stamps[-1].dts + stamps[-1].duration - stamps[0].dts == pts


@pytest.mark.parametrize("nonsense", [-(2**63), 2**62, -1000])
def test_a_dts_that_an_encoder_made_up_is_not_believed(nonsense: int) -> None:
    mapper = StampMapper()
    mapper.push(0, 40)
    stamp = mapper.pop(0, nonsense, final=True)
    assert (stamp.pts, stamp.duration) == (0, 40)
    assert -80 <= stamp.dts <= 0


def test_popping_twice_is_an_error() -> None:
    mapper = StampMapper()
    mapper.push(0, 1)
    mapper.pop(0, 0)
    with pytest.raises(KeyError):
        mapper.pop(0, 0)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([(5, None, 3), (8, None, 3)], [5, 8]),
        ([(None, None, 0), (None, None, 0)], [0, 40]),
        ([(10, None, 7), (None, None, 7), (None, None, 0)], [10, 17, 24]),
        ([(None, 100, 0), (None, 50, 0)], [100, 140]),
        ([(100, None, 0), (90, None, 0), (140, None, 0)], [100, 100, 140]),
        ([(-80, None, 40), (-80, None, 40), (-40, None, 40)], [-80, -80, -40]),
    ],
)
def test_missing_pts_are_derived(frames: list[tuple[int | None, int | None, int]], expected: list[int]) -> None:
    filler = PtsFiller(40)
    assert [filler.fill(*frame) for frame in frames] == expected


def test_a_restarted_clock_continues_for_all_streams_alike() -> None:
    clock = Continuity()
    second = Fraction(1)
    for time in range(20):
        assert clock.offset(0, Fraction(time), second) == 0
        assert clock.offset(1, Fraction(time), second) == 0
    assert clock.offset(0, Fraction(0), second) == 20
    assert clock.offset(1, Fraction(1, 10), second) == 20
    assert clock.offset(0, Fraction(1), second) == 20


def test_small_steps_back_and_jumps_ahead_are_not_bridged() -> None:
    clock = Continuity()
    assert [clock.offset(0, Fraction(t), Fraction(0)) for t in (0, Fraction("0.2"), Fraction("0.1"), 5000)] == [0] * 4


@pytest.mark.parametrize(
    ("bases", "expected"),
    [
        ([Fraction(1, 90000)], 90000),
        ([Fraction(1, 15360), Fraction(1, 48000)], 384000),
        ([Fraction(1001, 30000)], 30000),
        ([Fraction(1, 1_000_000_007), Fraction(1, 48000)], 20_000_000),
    ],
)
def test_a_timescale_holds_all_time_bases(bases: list[Fraction], expected: int) -> None:
    assert common_timescale(bases) == expected
    with pytest.raises(ValueError, match="must not be empty"):
        common_timescale([])
