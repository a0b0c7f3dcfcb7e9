"""The timeline: how each frame is covered, and that memory stays bounded."""

from __future__ import annotations

import math

import pytest

from core.clock import Moment
from core.config import TrackConfig
from core.detect.detection import Detection
from core.frame import Cover
from core.geometry import Box
from core.track.timeline import Timeline
from tests.rigs.fakes import found, numbered

CONFIG = TrackConfig(
    new_track_score=0.5,
    min_score=0.3,
    hold=0.2,
    max_gap=0.6,
    back_fill=0.1,
    margin=1.2,
    growth=0.5,
    confident_score=0.6,
)
STEP = 0.1
MAX_AGE = 0.35
FACE = found(100, 100, 140, 150)


def timeline_of(count: int, *, cuts: tuple[int, ...] = (), untrusted: tuple[int, ...] = ()) -> Timeline:
    """Frames a tenth of a second apart; scenes begin with frame 0 and with each of `cuts`."""
    timeline = Timeline(CONFIG, MAX_AGE)
    for index in range(count):
        # Large enough that no face of these tests lies at its edge.
        frame = numbered(index, index * STEP, trusted=index not in untrusted, side=512)
        timeline.add(frame, moment(index, cuts))
    return timeline


def moment(index: int, cuts: tuple[int, ...] = ()) -> Moment:
    starts = [0, *(cut for cut in cuts if cut <= index)]
    return Moment(index * STEP, len(starts), starts[-1] * STEP)


S, H, B = Cover.SETTLED, Cover.HELD, Cover.BLANKET


@pytest.mark.parametrize(
    ("verdicts", "cuts", "untrusted", "covers"),
    [
        pytest.param((), (), (), [B] * 8, id="no verdict at all"),
        pytest.param((0, 3, 6), (), (), [S] * 7 + [H], id="verdicts all along"),
        pytest.param((0,), (), (), [S] + [H] * 3 + [B] * 4, id="held until max_mask_age"),
        pytest.param((0, 7), (), (), [S] + [H] * 3 + [B] * 3 + [S], id="too far from both"),
        pytest.param((0, 5), (), (), [S, H, S, S, B, S, H, H], id="near the next one only is not covered"),
        pytest.param((3,), (), (), [B] * 3 + [S] + [H] * 3 + [B], id="nothing before the first"),
        pytest.param((0, 3, 6), (), (4,), [S] * 4 + [B] + [S] * 2 + [H], id="damage"),
        pytest.param((0, 2, 5), (3,), (), [S] * 3 + [B] * 2 + [S, H, H], id="nothing carries over a cut"),
        pytest.param((0, 2, 3, 5, 7), (3,), (), [S] * 8, id="a cut sampled on both sides"),
    ],
)
def test_cover(
    verdicts: tuple[int, ...], cuts: tuple[int, ...], untrusted: tuple[int, ...], covers: list[Cover]
) -> None:
    timeline = timeline_of(8, cuts=cuts, untrusted=untrusted)
    for index in verdicts:
        assert timeline.observe(moment(index, cuts), [FACE])
    assert [verdict.cover for _, verdict in timeline.release(math.inf)] == covers


def test_mask_age_is_the_time_since_the_newest_verdict() -> None:
    timeline = timeline_of(5)
    timeline.observe(moment(0), [FACE])
    timeline.observe(moment(1), [FACE])
    ages = [verdict.mask_age for _, verdict in timeline.release(math.inf)]
    assert ages == pytest.approx([0, 0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "detections",
    [
        pytest.param(None, id="failed"),
        pytest.param([found(math.nan, 0, 10, 10)], id="box that is no number"),
        pytest.param([FACE, found(0, 0, math.inf, 10)], id="infinite box beside a valid one"),
        pytest.param([found(10, 10, 10, 40)], id="empty box"),
        pytest.param([found(0, 0, 10, 10, math.nan)], id="score that is no number"),
        pytest.param([found(0, 0, 10, 10, 1.5)], id="score above 1"),
        pytest.param([found(0, 0, 10, 10, -0.1)], id="score below 0"),
    ],
)
def test_an_invalid_answer_is_no_verdict(detections: list[Detection] | None) -> None:
    timeline = timeline_of(3)
    assert not timeline.observe(moment(0), detections)
    assert [(v.cover, v.regions) for _, v in timeline.release(math.inf)] == [(B, ())] * 3
    assert timeline.tracks == 0


def test_an_answer_without_faces_is_a_verdict() -> None:
    timeline = timeline_of(2)
    assert timeline.observe(moment(0), [])
    assert [(v.cover, v.regions) for _, v in timeline.release(math.inf)] == [(S, ()), (H, ())]


def test_frames_come_out_once_up_to_the_time_or_the_number_asked_for() -> None:
    timeline = timeline_of(10)
    assert [frame.index for frame, _ in timeline.release(0.25)] == [0, 1, 2]
    assert timeline.release(0.25) == []
    assert [frame.index for frame, _ in timeline.release(-1, 4)] == [3, 4]
    assert len(timeline) == 5
    assert [frame.index for frame, _ in timeline.release(0.55, 3)] == [5]
    assert [frame.index for frame, _ in timeline.release(math.inf)] == [6, 7, 8, 9]
    assert len(timeline) == 0


def test_a_new_face_is_masked_back_to_the_sample_before_and_a_little_further() -> None:
    timeline = timeline_of(6)
    timeline.observe(moment(0), [])
    timeline.observe(moment(2), [])
    timeline.observe(moment(4), [FACE])
    masked = [bool(verdict.regions) for _, verdict in timeline.release(math.inf)]
    assert masked == [False, True, True, True, True, True]


def test_a_face_is_not_painted_into_another_scene() -> None:
    timeline = timeline_of(8, cuts=(4,))
    for index, seen in ((0, [FACE]), (3, [FACE]), (4, []), (7, [])):
        timeline.observe(moment(index, (4,)), seen)
    assert [bool(v.regions) for _, v in timeline.release(math.inf)] == [True] * 4 + [False] * 4


def test_boxes_between_two_verdicts_lie_between() -> None:
    timeline = timeline_of(3)
    timeline.observe(moment(0), [FACE])
    timeline.observe(moment(2), [found(120, 100, 160, 150)])
    box = timeline.release(math.inf)[1][1].regions[0].box
    assert box.center == pytest.approx((130, 125))
    assert box.x0 < 110 and box.x1 > 150


def test_late_release_forgets_nothing_that_early_release_knew() -> None:
    """Frames released one by one get the same regions as frames released together, if all verdicts were there."""
    path = [found(20 * i, 50, 20 * i + 40, 100) for i in range(60)]

    def told() -> Timeline:
        timeline = timeline_of(60, cuts=(30,))
        for index in range(0, 60, 2):
            timeline.observe(moment(index, (30,)), [path[index]] if index % 14 else [])
        return timeline

    at_once = [verdict for _, verdict in told().release(math.inf)]
    stepwise = told()
    assert [verdict for i in range(60) for _, verdict in stepwise.release(i * STEP + 0.01)] == at_once


def test_memory_stays_flat() -> None:
    timeline = Timeline(CONFIG, MAX_AGE)
    for index in range(3000):
        # The face leaps too far to be the same one again: a new track every few samples.
        x = index // 5 % 7 * 1000
        timeline.add(numbered(0, index * STEP), moment(index))
        timeline.observe(moment(index), [found(x, 0, x + 20, 20)])
        timeline.release(index * STEP - 0.5)
    assert timeline.tracks > 500
    assert len(timeline) < 10
    sizes = [len(timeline._verdicts), len(timeline._tracker._tracks), len(timeline._tracker._ended)]
    assert max(sizes) < 30
    assert all(len(track.observations) < 30 for track in timeline._tracker._tracks)


def test_boxes_off_the_picture_are_regions_like_any_other() -> None:
    timeline = timeline_of(1)
    timeline.observe(moment(0), [found(-50, -60, -10, -5)])
    (_, verdict), *_ = timeline.release(math.inf)
    assert verdict.cover is S
    assert verdict.regions[0].box.union(Box(-50, -60, -10, -5)) == verdict.regions[0].box
