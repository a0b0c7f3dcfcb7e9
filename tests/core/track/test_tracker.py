"""The tracker: tracks start at once, are never linked across a cut, and last while the face may be there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import TrackConfig
from core.detect.detection import Detection
from core.geometry import Box
from core.track.tracker import Tracker, _distance, _out_of_reach, _spot
from tests.rigs.fakes import found

CONFIG = TrackConfig(
    new_track_score=0.5,
    min_score=0.3,
    max_weak=0.4,
    max_gap=1.0,
    confident_score=0.7,
    hold=0.3,
    back_fill=0.1,
    margin=1.2,
    growth=0.5,
    jump_distance=4.0,
    jump_gap=0.3,
    bend=0.15,
)


def at(x: float, score: float = 0.9, y: float = 100.0, side: float = 40.0, label: str = "face") -> Detection:
    """A face centred at `(x, y)`."""
    return found(x - side / 2, y - side / 2, x + side / 2, y + side / 2, score, label)


def tracked(*samples: tuple[float, Sequence[Detection]], config: TrackConfig = CONFIG) -> Tracker:
    tracker = Tracker(config)
    tracker.start_scene(-math.inf)
    for time, detections in samples:
        tracker.update(time, detections)
    return tracker


def is_masked(tracker: Tracker, time: float, detection: Detection) -> bool:
    """Whether a single region covers the whole face."""
    b = detection.box
    return any(
        r.box.x0 <= b.x0 and r.box.y0 <= b.y0 and r.box.x1 >= b.x1 and r.box.y1 >= b.y1 for r in tracker.regions(time)
    )


@pytest.mark.parametrize(("score", "started"), [(1.0, 1), (0.9, 1), (0.5, 1), (0.49, 0), (0.3, 0), (0.29, 0), (0.0, 0)])
def test_one_sample_is_enough(score: float, started: int) -> None:
    tracker = tracked((0, [at(100, score)]))
    assert tracker.track_count == started
    assert is_masked(tracker, 0, at(100)) == bool(started)


def test_every_face_of_a_sample_starts_a_track() -> None:
    tracker = tracked((0, [at(100), at(105), at(300), at(300, label="plate")]))
    assert tracker.track_count == 4
    assert {region.label for region in tracker.regions(0)} == {"face", "plate"}


@pytest.mark.parametrize(
    ("second", "tracks"),
    [
        pytest.param(at(100), 1, id="still"),
        pytest.param(at(130), 1, id="a step"),
        pytest.param(at(100, side=60), 1, id="nearer"),
        pytest.param(at(100, 0.35), 1, id="weak goes on"),
        pytest.param(at(900), 2, id="elsewhere"),
        pytest.param(at(100, side=120), 2, id="three times the size"),
        pytest.param(at(100, label="plate"), 2, id="something else"),
        pytest.param(at(900, 0.35), 1, id="weak and elsewhere"),
    ],
)
def test_linking(second: Detection, tracks: int) -> None:
    assert tracked((0, [at(100)]), (0.1, [second])).track_count == tracks


def test_two_faces_that_stay_apart_keep_their_tracks() -> None:
    path = [(i / 10, [at(100 + 15 * i), at(600 - 15 * i)]) for i in range(20)]
    assert tracked(*path).track_count == 2


def test_velocity_is_followed() -> None:
    # Each step is longer than a face may stray from where it stood, not from where it was heading.
    path = [(0.0, [at(100)]), (0.1, [at(125)]), (0.2, [at(160)]), (0.3, [at(205)]), (0.4, [at(255)])]
    assert tracked(*path, config=CONFIG.model_copy(update={"jump_gap": 0.0})).track_count == 1


@pytest.mark.parametrize(
    ("second", "time", "tracks"),
    [
        pytest.param(at(210), 0.2, 1, id="jump of several times the size"),
        pytest.param(at(210), 0.35, 2, id="too late"),
        pytest.param(at(210, 0.45), 0.2, 1, id="too weak: neither linked nor a new track"),
        pytest.param(at(210, side=70), 0.2, 2, id="size must be alike"),
        pytest.param(at(900), 0.2, 2, id="too far"),
    ],
)
def test_jump(second: Detection, time: float, tracks: int) -> None:
    tracker = tracked((0, [at(100)]), (time, [second]))
    assert tracker.track_count == tracks
    half_way = second.box.lerp(at(100).box, 0.5)
    jumped = tracks == 1 and second.score >= CONFIG.new_track_score
    assert is_masked(tracker, time / 2, Detection(half_way, 1, "fake")) == jumped


def test_a_jump_covers_both_ends_as_if_they_were_two_faces() -> None:
    tracker = tracked((0, [at(100)]), (0.2, [at(210)]))
    for time in (0.05, 0.1, 0.15):
        assert is_masked(tracker, time, at(100)) and is_masked(tracker, time, at(210))


def test_the_nearest_detection_wins_over_a_jump() -> None:
    tracker = tracked((0, [at(100)]), (0.2, [at(205), at(104)]))
    assert tracker.track_count == 2
    assert is_masked(tracker, 0.1, at(102))


@pytest.mark.parametrize(
    ("gap", "scores", "joined"),
    [
        pytest.param(0.2, (0.9, 0.9), True, id="short"),
        pytest.param(0.2, (0.55, 0.55), True, id="short and unsure"),
        pytest.param(0.8, (0.9, 0.9), True, id="long and sure"),
        pytest.param(0.8, (0.55, 0.9), False, id="long and unsure before"),
        pytest.param(0.8, (0.9, 0.55), False, id="long and unsure after"),
        pytest.param(1.2, (0.9, 0.9), False, id="longer than max_gap"),
    ],
)
def test_max_gap(gap: float, scores: tuple[float, float], joined: bool) -> None:
    tracker = tracked((0, [at(100, scores[0])]), (gap / 2, []), (gap, [at(100, scores[1])]))
    assert tracker.track_count == (1 if joined else 2)
    if joined:
        assert all(is_masked(tracker, gap * part / 10, at(100)) for part in range(11))


@pytest.mark.parametrize(
    ("score", "age", "masked"),
    [(0.9, 0.1, True), (0.9, 0.29, True), (0.9, 0.31, False), (0.6, 0.14, True), (0.6, 0.16, False)],
)
def test_hold(score: float, age: float, masked: bool) -> None:
    """A confident face is held for `hold`, any other half as long; samples without it change nothing."""
    tracker = tracked((0, [at(100, score)]), (0.01, []), (0.02, []), (0.9, []))
    assert is_masked(tracker, age, at(100)) == masked


@pytest.mark.parametrize(
    ("score", "age", "masked"),
    [(0.9, 0.5, True), (0.9, 0.51, False), (0.6, 0.25, True), (0.6, 0.26, False)],
)
def test_one_sample_without_it_does_not_end_a_face_however_far_apart_samples_are(
    score: float, age: float, masked: bool
) -> None:
    """Some recordings have 2 fps: `hold` alone would uncover a face that one sample lacks."""
    tracker = tracked((0, [at(100, score)]), (0.5, []), (1.0, []))
    assert is_masked(tracker, age, at(100)) == masked


def test_a_detector_that_was_silent_for_long_has_not_seen_the_face_go() -> None:
    tracker = tracked((0, [at(100)]), (1.5, []))
    assert is_masked(tracker, 0.9, at(100)) and not is_masked(tracker, 1.1, at(100)), "for `max_gap` at most"


def test_verdicts_on_the_next_scene_do_not_end_a_face_in_this_one() -> None:
    tracker = tracked((0, [at(100)]))
    tracker.start_scene(0.5)
    tracker.update(0.5, [])
    assert is_masked(tracker, 0.45, at(100)) and not is_masked(tracker, 0.5, at(100))


def test_two_uncertain_faces_taken_for_one_are_both_covered_all_the_time_between_two_samples() -> None:
    tracker = tracked((0.0, [at(100, 0.6)]), (0.35, [at(135, 0.6)]))
    assert tracker.track_count == 1
    for time in (0.01, 0.2, 0.34):
        assert is_masked(tracker, time, at(100)) and is_masked(tracker, time, at(135))


def test_a_face_found_again_is_covered_where_it_was_up_to_the_sample_that_lacked_it() -> None:
    tracker = tracked((0.0, [at(100)]), (0.35, []), (0.7, [at(130)]))
    assert tracker.track_count == 1
    assert is_masked(tracker, 0.35, at(100)) and is_masked(tracker, 0.35, at(130))


def test_a_face_that_is_still_held_is_not_forgotten() -> None:
    tracker = tracked((0.0, [at(100)]), (0.9, []), (1.1, []))
    tracker.forget_before(0.65)
    assert is_masked(tracker, 0.8, at(100))


def test_successive_samples_link_uncertain_faces_however_far_apart_they_are() -> None:
    tracker = tracked((0.0, [at(100, 0.6)]), (0.35, [at(110, 0.4)]))
    assert tracker.track_count == 1 and is_masked(tracker, 0.35, at(110))
    tracker = tracked((0.0, [at(100, 0.4)]), (0.35, [at(110, 0.6)]))
    assert is_masked(tracker, 0.0, at(100)), "and backwards"
    tracker = tracked((0.0, [at(100, 0.4)]), (0.35, []), (0.7, [at(110, 0.6)]))
    assert not is_masked(tracker, 0.0, at(100)), "not across a sample without it"


def test_a_face_is_not_taken_for_gone_while_the_detector_is_silent() -> None:
    tracker = tracked((0, [at(100)]))
    assert is_masked(tracker, 5.0, at(100)), "past `max_mask_age` the whole frame is masked"
    tracker.update(0.3, [])
    assert is_masked(tracker, 5.0, at(100)), "one sample without it is not enough"
    tracker.update(0.5, [])
    assert not is_masked(tracker, 0.5, at(100)) and not is_masked(tracker, 5.0, at(100))


@pytest.mark.parametrize(("x", "longer"), [(21.0, True), (320.0, False), (619.0, True)])
def test_what_reaches_the_edge_is_masked_for_longer(x: float, longer: bool) -> None:
    """The rest of a face there is hard to detect."""
    tracker = Tracker(CONFIG)
    tracker.start_scene(-math.inf)
    tracker.update(1.0, [at(x)], (640.0, 360.0))
    for time in (1.1, 1.9):
        tracker.update(time, [], (640.0, 360.0))
    assert is_masked(tracker, 1.2, at(x)) and is_masked(tracker, 0.95, at(x))
    assert is_masked(tracker, 1.0 + 1.2 * CONFIG.hold, at(x)) == longer
    assert is_masked(tracker, 1.0 - 1.2 * CONFIG.back_fill, at(x)) == longer


def test_a_held_box_covers_where_the_face_was_and_where_it_was_heading() -> None:
    tracker = tracked((0, [at(100)]), (0.1, [at(120)]))
    for age in (0.05, 0.1, 0.2):
        assert is_masked(tracker, 0.1 + age, at(120))
        assert is_masked(tracker, 0.1 + age, at(120 + min(40, 200 * age)))


@pytest.mark.parametrize(
    ("time", "masked"),
    [(0.3, False), (0.39, False), (0.41, True), (0.5, True), (0.75, True), (1.0, True), (1.25, True), (1.35, False)],
)
def test_back_fill(time: float, masked: bool) -> None:
    """From `back_fill` before the previous sample to the end of `hold`."""
    tracker = tracked((0, []), (0.5, []), (1.0, [at(100)]), (1.1, []), (1.9, []))
    assert is_masked(tracker, time, at(100)) == masked


def test_a_face_on_the_first_sample_of_a_scene_gets_only_back_fill() -> None:
    tracker = tracked((1.0, [at(100)]))
    assert is_masked(tracker, 0.95, at(100)) and not is_masked(tracker, 0.85, at(100))


def test_weak_detections_before_the_start_become_part_of_the_track() -> None:
    samples: tuple[tuple[float, list[Detection]], ...] = (
        (0.0, []),
        (0.1, [at(100, 0.4)]),
        (0.2, [at(110, 0.4)]),
        (0.3, [at(120)]),
    )
    tracker = tracked(*samples)
    assert tracker.track_count == 1
    for time, detections in samples[1:]:
        assert all(is_masked(tracker, time, detection) for detection in detections)
    assert is_masked(tracker, 0.01, at(100)), (
        "back-fill starts from the weak detection, not from the start of the track"
    )


@pytest.mark.parametrize(
    "weak", [pytest.param(at(400, 0.4), id="elsewhere"), pytest.param(at(100, 0.2), id="below min_score")]
)
def test_weak_detections_that_do_not_fit_are_left_out(weak: Detection) -> None:
    tracker = tracked((0.0, []), (0.05, [weak]), (0.3, [at(100)]))
    assert not is_masked(tracker, 0.05, at(400))
    assert not is_masked(tracker, -0.06, at(100)), "back-fill starts from the birth"


def test_weak_detections_alone_end_a_track() -> None:
    tracker = tracked((0.0, [at(100)]), *((i / 10, [at(100, 0.31)]) for i in range(1, 12)))
    assert is_masked(tracker, 0.4, at(100))
    assert not is_masked(tracker, 0.9, at(100))


def test_weak_detections_that_persist_start_a_track() -> None:
    # Each has 0.1 above the lowest score that counts; two are worth the 0.2 of a strong one.
    tracker = tracked((0.0, [at(100, 0.4)]))
    assert tracker.track_count == 0
    tracker.update(0.1, [at(103, 0.4)])
    assert tracker.track_count == 1
    assert is_masked(tracker, 0.0, at(100)), "it is back-filled to where it was first seen"


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        ([(0.0, at(100, 0.4)), (0.1, at(400, 0.4))], "not at one place"),
        ([(0.0, at(100, 0.4)), (0.6, at(100, 0.4))], "too far apart in time"),
        ([(0.0, at(100, 0.35)), (0.1, at(100, 0.35))], "too weak together"),
        ([(0.0, at(100, 0.4)), (0.1, at(100, 0.4, side=150))], "not of one size"),
    ],
)
def test_weak_detections_that_are_no_face_together(samples: list[tuple[float, Detection]], why: str) -> None:
    assert tracked(*((time, [detection]) for time, detection in samples)).track_count == 0, why


def test_a_strong_sighting_keeps_weak_ones_going() -> None:
    tracker = tracked(*((i / 10, [at(100, 0.9 if i % 4 == 0 else 0.4)]) for i in range(20)))
    assert tracker.track_count == 1
    assert all(is_masked(tracker, i / 10, at(100)) for i in range(20))


def test_nothing_goes_on_across_a_cut() -> None:
    tracker = Tracker(CONFIG)
    tracker.start_scene(0.0)
    tracker.update(0.0, [at(100)])
    tracker.update(0.9, [at(100)])
    tracker.start_scene(1.0)
    tracker.update(1.0, [at(400), at(100)])
    assert tracker.track_count == 3, "the same place in another scene is another face"
    assert is_masked(tracker, 0.99, at(100)) and not is_masked(tracker, 0.99, at(400))
    assert is_masked(tracker, 1.0, at(100)) and is_masked(tracker, 1.0, at(400))


def test_no_mask_is_held_across_a_cut() -> None:
    tracker = tracked((0.9, [at(100)]))
    tracker.start_scene(1.0)
    assert is_masked(tracker, 0.99, at(100)) and not tracker.regions(1.0)


def test_no_weak_detection_of_another_scene_joins_a_track() -> None:
    tracker = tracked((0.0, []), (0.1, [at(120, 0.4)]))
    tracker.start_scene(0.15)
    tracker.update(0.2, [at(100)])
    assert not tracker.regions(0.1)
    assert is_masked(tracker, 0.16, at(100)), "not drawn towards where the other scene's face was"


def test_masks_grow_with_the_time_from_a_detection() -> None:
    tracker = tracked((0, [at(100)]), (0.25, [at(100)]), (0.45, []))
    sides = {t: max(r.box.side for r in tracker.regions(t)) for t in (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.45)}
    nearest = {t: min(t, abs(t - 0.25)) for t in sides}
    assert sides == pytest.approx({t: 40 * (1.2 + 0.5 * nearest[t]) for t in sides})


def test_paths_that_bend_stay_covered() -> None:
    """Between two samples a face half a box off the straight line is still masked as far as `bend` allows."""
    tracker = tracked((0, [at(100)]), (0.1, [at(140)]))
    allowed = 0.15 * 40
    assert is_masked(tracker, 0.05, at(120 + allowed)) and is_masked(tracker, 0.05, at(120 - allowed))


def test_invalid_boxes_start_no_track() -> None:
    tracker = tracked((0, [Detection(Box(math.nan, 0, 1, 1), 0.9, "fake"), Detection(Box(5, 5, 5, 9), 0.9, "fake")]))
    assert tracker.track_count == 0


def test_order_of_detections_does_not_matter() -> None:
    samples = [(i / 10, [at(100 + 9 * i), at(160 - 9 * i, 0.8), at(300, 0.45)]) for i in range(8)]
    one = tracked(*samples)
    other = tracked(*((time, detections[::-1]) for time, detections in samples))

    def painted(tracker: Tracker) -> list[list[tuple[float, float]]]:
        return [sorted((r.box.x0, r.box.x1) for r in tracker.regions(i / 20)) for i in range(16)]

    assert painted(one) == painted(other)


sides = st.floats(1, 300)
places = st.floats(-2000, 2000)


@given(sides, sides, places, places, st.floats(0, 2), st.sampled_from([1.0, 4.0]))
def test_only_pairs_that_could_not_be_linked_are_passed_over(
    a: float, b: float, x: float, y: float, patience: float, limit: float
) -> None:
    end, spot = _spot(Box(0, 0, a, a)), _spot(Box(x, y, x + b, y + b))
    if _out_of_reach([end], spot, limit):
        assert _distance(end, spot, patience) >= limit
    assert not _out_of_reach([end, spot], spot, limit)
