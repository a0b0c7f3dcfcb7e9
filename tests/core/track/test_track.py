"""One track: what it paints at every instant, and what it may drop."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import TrackConfig
from core.frame import Origin, Region
from core.geometry import Box
from core.track.track import Observation, Track

CONFIG = TrackConfig(margin=1.2, growth=0.5, hold=0.3, back_fill=0.1, max_gap=1.0, confident_score=0.6, bend=0.15)
FAR = 500.0  # from every edge


def seen(time: float, x: float = FAR, side: float = 40.0, score: float = 0.9) -> Observation:
    return Observation(time, Box(x, FAR, x + side, FAR + side), score)


def track_of(*observations: Observation, last_absent: float | None = None) -> Track:
    return Track(0, "face", list(observations), observations[0].time, last_absent)


def holds(regions: list[Region], face: Box) -> bool:
    boxes = [region.box for region in regions]
    return any(b.x0 <= face.x0 and b.y0 <= face.y0 and b.x1 >= face.x1 and b.y1 >= face.y1 for b in boxes)


def test_first_last_and_score() -> None:
    track = track_of(seen(0, score=0.95), *(seen(i, score=0.5 + i / 100) for i in range(1, 6)))
    assert (track.first.time, track.last.time) == (0, 5)
    assert track.recent_score == 0.55, "only the latest sightings count"


def test_adding_at_both_ends() -> None:
    track = track_of(seen(1.0), last_absent=0.8)
    track.add(seen(1.2, score=0.4), strong=False)
    assert track.strong_time == 1.0
    track.add(seen(1.4), strong=True)
    assert track.strong_time == 1.4
    track.prepend(seen(0.8), 0.6)
    assert [o.time for o in track.observations] == [0.8, 1.0, 1.2, 1.4] and track.last_absent == 0.6


@pytest.mark.parametrize(
    ("time", "painted"), [(0.89, False), (0.91, True), (1.0, True), (1.29, True), (1.31, False), (5.0, False)]
)
def test_the_life_of_a_single_sighting(time: float, painted: bool) -> None:
    track = track_of(seen(1.0))
    track.miss(1.1)
    assert bool(track.regions_at(time, CONFIG)) == painted


@pytest.mark.parametrize(("time", "painted"), [(0.9, False), (1.0, True), (1.15, True), (1.2, False), (1.25, False)])
def test_nothing_is_painted_outside_its_scene(time: float, painted: bool) -> None:
    track = track_of(seen(1.1), last_absent=0.5)
    track.scene_start, track.scene_end = 1.0, 1.2
    assert bool(track.regions_at(time, CONFIG)) == painted


def test_prediction_goes_on_at_the_same_speed_but_never_far() -> None:
    track = track_of(seen(0.0, 500), seen(0.1, 510))
    assert track.predict(0.2).x0 == pytest.approx(520)
    assert track.predict(9.0).x0 == pytest.approx(550), "by one box side at most"
    assert track.predict_back(-0.1).x0 == pytest.approx(490)
    assert track_of(seen(0.0)).predict(3.0) == seen(0.0).box


def test_between_sightings_the_face_is_covered_wherever_it_is_on_the_straight_line() -> None:
    a, b = seen(0.0, 500, 40), seen(0.25, 560, 60)
    track = track_of(a, b)
    for step in range(11):
        assert holds(track.regions_at(step * 0.025, CONFIG), a.box.lerp(b.box, step / 10))


def test_a_long_gap_keeps_what_each_end_alone_would_have_covered() -> None:
    a, b = seen(0.0, 500), replace(seen(0.8, 540), previous_sample=0.7, missed=0.1)
    track = track_of(a, b)
    assert holds(track.regions_at(0.29, CONFIG), a.box) and holds(track.regions_at(0.51, CONFIG), b.box)
    assert len(track.regions_at(0.4, CONFIG)) == 1, "in the middle only the way between them is painted"


def test_until_the_detector_answers_the_mask_grows() -> None:
    face = seen(1.0, 500, 40)
    track = track_of(face)
    track.miss(1.0)
    away = 40 * 1.25 * 0.4  # at a speed that nobody has seen yet: one and a quarter sides a second
    [told], [untold] = (track.regions_at(1.4, CONFIG.model_copy(update={"hold": 0.5}), heard) for heard in (1.4, 1.0))
    assert holds([untold], face.box.moved(away, 0)) and holds([untold], face.box.moved(-away, 0))
    assert not holds([told], face.box.moved(away, 0)), (
        "the detector has answered without it: its surroundings are clear"
    )


times = st.lists(st.integers(0, 200).map(lambda t: t / 50), min_size=1, max_size=20, unique=True).map(sorted)


@given(times, st.floats(0, 4))
def test_forgetting_changes_nothing_that_is_still_to_come(moments: list[float], now: float) -> None:
    full = track_of(*(seen(t, 500 + 37 * i % 90) for i, t in enumerate(moments)))
    cut = track_of(*full.observations)
    cut.forget_before(now)
    for later in (now, now + 0.01, now + 0.2, now + 1, now + 3):
        assert cut.regions_at(later, CONFIG) == full.regions_at(later, CONFIG)


def test_forgetting_keeps_memory_flat() -> None:
    track = track_of(*(seen(i / 10) for i in range(1000)))
    track.forget_before(99.0)
    assert len(track.observations) < 30


@given(times, st.floats(0, 4))
def test_every_painted_box_is_at_least_as_large_as_the_face(moments: list[float], time: float) -> None:
    track = track_of(*(seen(t, 500 + 10 * i) for i, t in enumerate(moments)))
    for box in [region.box for region in track.regions_at(time, CONFIG)]:
        assert box.width >= 40 * 1.2 - 1e-6 and box.height >= 40 * 1.2 - 1e-6


@pytest.mark.parametrize(
    ("time", "origins", "score"),
    [
        (0.95, [Origin.BACK_FILLED], 0.9),
        (1.0, [Origin.SEEN], 0.9),
        (1.1, [Origin.INTERPOLATED], 0.5),
        (1.2, [Origin.SEEN], 0.5),
        (1.25, [Origin.CARRIED], 0.5),
    ],
)
def test_every_region_says_what_it_is_based_on(time: float, origins: list[Origin], score: float) -> None:
    track = track_of(seen(1.0, score=0.9), seen(1.2, score=0.5))
    track.miss(1.3)
    regions = track.regions_at(time, CONFIG)
    assert [region.origin for region in regions] == origins and regions[0].score == score
    assert all(region.track == 0 and region.label == "face" for region in regions)


def test_both_ends_of_a_long_gap_are_named() -> None:
    track = track_of(seen(0.0, 100), seen(0.8, 900))
    near_start = {region.origin for region in track.regions_at(0.1, CONFIG)}
    near_end = {region.origin for region in track.regions_at(0.7, CONFIG)}
    assert near_start == {Origin.INTERPOLATED, Origin.CARRIED}
    assert Origin.BACK_FILLED in near_end
