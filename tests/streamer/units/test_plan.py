"""Plans: units of one or two minutes that begin at key frames, and a reason where there are none."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.units.index import NO_DTS, FileIndex
from streamer.units.plan import AFTER, BEFORE, LEAST, MOST, WANTED, UnitPlan, plan_units
from streamer.units.span import UnitSpan, times_of

BASE = Fraction(1, 1000)


def index(
    seconds: float, gop: float, rate: float = 10, *, codec: str = "h264", trouble: str | None = None
) -> FileIndex:
    pts = np.round(np.arange(0, seconds, 1 / rate) * 1000).astype(np.int64)
    keys = np.arange(len(pts)) % max(1, round(gop * rate)) == 0
    ones = np.ones(len(pts), bool)
    return FileIndex(BASE, codec, pts, pts.copy(), np.full(len(pts), 7), keys, ones, trouble)


def seconds_of(plan: UnitPlan) -> list[float]:
    ends = [unit.begin / 1000 for unit in plan.units[1:]]
    return [end - begin for begin, end in zip([plan.units[0].begin / 1000, *ends], ends, strict=False)]


@settings(max_examples=60, deadline=None)
@given(st.floats(1, 1500), st.floats(0.1, 100), st.sampled_from([1.0, 7.0, 25.0]))
def test_units_cover_every_picture_once(seconds: float, gop: float, rate: float) -> None:
    found = index(seconds, gop, rate)
    plan = plan_units(found)
    if not plan.units:
        assert plan.whole_because
        return
    plan.check()
    inside = [found.pts[[unit.holds(int(pts)) for pts in found.pts]] for unit in plan.units]
    assert np.array_equal(np.concatenate(inside), found.pts)
    assert [unit.frames for unit in plan.units] == [len(pts) for pts in inside]
    assert [unit.times for unit in plan.units] == [times_of(pts) for pts in inside]
    keys = set(found.pts[found.keys].tolist())
    for unit in plan.units:
        assert unit.begin in keys and unit.entry.pts in keys
        assert unit.entry.pts <= unit.look_from
        assert unit.look_from <= unit.begin - 1000 * BEFORE or unit.look_from == 0
        assert unit.end is None or unit.look_until is not None
        if unit.end is not None and unit.look_until is not None:
            assert unit.look_until > unit.end + 1000 * AFTER or unit.look_until == found.pts[-1] + 1
    for length in seconds_of(plan):
        assert LEAST <= length <= max(MOST, WANTED + gop + 1)


def test_a_unit_is_decoded_from_one_key_frame_earlier_than_would_do() -> None:
    second = plan_units(index(200, 2)).units[1]
    assert (second.begin, second.look_from, second.entry.pts) == (60_000, 57_000, 54_000)


def test_twice_looked_at_is_less_than_a_tenth() -> None:
    units = plan_units(index(1800, 2, 25)).units
    looked = sum(np.count_nonzero([unit.looks_at(t) for t in range(0, 1_800_000, 40)]) for unit in units)
    assert looked / 45_000 < 1.10


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (index(80, 1), "short"),
        (index(300, 400), "no key frame to cut it at"),
        (index(300, 1, codec="mpeg4"), "no sure places"),
        (index(300, 1, trouble="some packets are damaged"), "damaged"),
    ],
)
def test_what_cannot_be_cut_says_why(found: FileIndex, why: str) -> None:
    plan = plan_units(found)
    assert plan.units == () and why in (plan.whole_because or "")


def test_plans_travel_as_json() -> None:
    found = index(200, 2)
    found.dts[:] = NO_DTS
    plan = plan_units(found)
    assert plan.units[0].entry.dts is None
    assert UnitPlan.from_json(plan.to_json()) == plan
    unit = plan.units[1]
    assert UnitSpan.from_json(unit.to_json()) == unit


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"number": 1', '"number": 2'),
        lambda text: text.replace('"begin": 60000', '"begin": 60001'),
        lambda text: text.replace('"frames"', '"rames"'),
        lambda text: text.replace('"size": 7', '"size": 7e3'),
        lambda text: text.replace('"size": 7', f'"size": {1 << 63}'),
        lambda text: text.replace('"end": null', '"end": 10'),
        lambda text: "[" * 100_000,
        lambda text: "{}",
    ],
)
def test_a_plan_that_was_tampered_with_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(ValueError):
        UnitPlan.from_json(change(plan_units(index(200, 2)).to_json()))
