"""The promise: whatever the detector does, every frame comes out once, in order, settled, freshly held or blanket."""

from __future__ import annotations

import math
import random
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import anonymizer
from core.anonymizer import Anonymizer
from core.clock import Moment, StreamClock
from core.config import EngineConfig, TrackConfig
from core.detect import detector_thread as worker
from core.detect.detection import Detection
from core.frame import Cover, Frame, Region, Verdict
from core.geometry import THINNEST, Box
from core.masked_frame import MaskedFrame
from core.pictures.planes import planes
from core.track.timeline import Timeline
from tests.rigs.fakes import (
    BAD_ANSWERS,
    GOOD_ANSWERS,
    HangingDetector,
    ScriptedDetector,
    SlowDetector,
    engine_config,
    found,
    numbered,
)

MAX_AGE = 0.5
BIRTH = 0.5
BLANK = {"style": "solid", "color": (0, 0, 0)}  # a blanket frame is then one flat colour
STEPS = (0.04, 0.04, 0.04, 0.04, 0.001, 0.0, -0.04, 0.3, 0.7, 5.0, -100.0, 1e6, math.nan, math.inf)

coordinates = st.one_of(
    st.floats(-100, 500), st.sampled_from((0.0, -1e9, 1e9, 1e200, -1e200, math.nan, math.inf, -math.inf))
)
scores = st.one_of(st.floats(0, 1), st.sampled_from((math.nan, math.inf, -0.5, 3.0)))
any_detection = st.builds(lambda a, b, c, d, s: found(a, b, c, d, s), *[coordinates] * 4, scores)
good_detection = st.builds(
    lambda x, y, w, h, s: found(x, y, x + w, y + h, s),
    *[st.integers(-60, 300), st.integers(-60, 300), st.integers(1, 120), st.integers(1, 120), st.floats(0, 1)],
)
answers = st.one_of(st.none(), st.lists(good_detection, max_size=3), st.lists(any_detection, max_size=2))


@dataclass(frozen=True)
class Beat:
    """One frame of a made-up stream and what happens around it; `answer` is for the sample, if it is one."""

    step: float
    cut: bool
    trusted: bool
    sampled: bool
    answer: Sequence[Detection] | None
    late: int
    release: float | None


beats = st.builds(
    Beat,
    step=st.sampled_from((0.001, 0.04, 0.04, 0.04, 0.1, 0.3, 0.49, 0.51, 2.0)),
    cut=st.sampled_from((False, False, False, False, True)),
    trusted=st.sampled_from((True, True, True, True, False)),
    sampled=st.booleans(),
    answer=answers,
    late=st.integers(0, 6),
    release=st.one_of(st.none(), st.floats(0, 1.5)),
)


@dataclass(frozen=True)
class Given:
    """A verdict that should count."""

    moment: Moment
    detections: Sequence[Detection]


def is_valid(detection: Detection) -> bool:
    box = detection.box
    numbers = (box.x0, box.y0, box.x1, box.y1, detection.score)
    near = max(map(abs, numbers)) <= 1e6
    return (
        all(map(math.isfinite, numbers))
        and near
        and min(box.width, box.height) > THINNEST
        and 0 <= detection.score <= 1
    )


def expected(frame: Frame, moment: Moment, usable: Sequence[Given]) -> tuple[Cover, float]:
    """The cover and mask age that the promise requires, computed from all verdicts."""
    times = [given.moment.time for given in usable if given.moment.scene == moment.scene]
    at = bisect_right(times, moment.time)
    if not frame.trusted or not at or moment.time - times[at - 1] > MAX_AGE:
        return Cover.BLANKET, math.inf
    after = bisect_left(times, moment.time)
    if after < len(times) and times[after] - moment.time <= MAX_AGE:
        return Cover.SETTLED, 0.0
    return Cover.HELD, moment.time - times[at - 1]


def covers(regions: Sequence[Region], box: Box) -> bool:
    return any(r.box.x0 <= box.x0 and r.box.y0 <= box.y0 and r.box.x1 >= box.x1 and r.box.y1 >= box.y1 for r in regions)


@settings(max_examples=300, deadline=None)
@given(st.lists(beats, min_size=1, max_size=40))
def test_timeline_covers_every_frame(stream: list[Beat]) -> None:
    timeline = Timeline(TrackConfig(new_track_score=BIRTH, min_score=0.2), MAX_AGE)
    moments: dict[int, Moment] = {}
    usable: list[Given] = []
    out: list[Frame] = []
    waiting: list[tuple[int, Moment, Sequence[Detection] | None]] = []

    def check(released: list[tuple[Frame, Verdict]]) -> None:
        for frame, verdict in released:
            moment = moments[frame.index]
            assert (verdict.cover, verdict.mask_age) == expected(frame, moment, usable)
            out.append(frame)
            if verdict.cover is not Cover.BLANKET:
                here = [d for given in usable if given.moment.time == moment.time for d in given.detections]
                for detection in here:
                    box = detection.box
                    if detection.score >= BIRTH:
                        assert covers(verdict.regions, box), "a face that was seen on this very frame"

    def say(until: int) -> None:
        while waiting and waiting[0][0] <= until:
            _, moment, detections = waiting.pop(0)
            counts = detections is not None and all(map(is_valid, detections))
            if detections is not None and counts:
                usable.append(Given(moment, detections))
            assert timeline.observe(moment, detections) == counts

    time, scene, start = 0.0, 0, 0.0
    for index, beat in enumerate(stream):
        time += beat.step
        if beat.cut or not index:
            scene, start = scene + 1, time
        moments[index] = Moment(time, scene, start)
        timeline.add(numbered(index, time, trusted=beat.trusted), moments[index])
        if beat.sampled and beat.trusted:
            waiting.append((index + beat.late, moments[index], beat.answer))
        say(index)
        if beat.release is not None:
            check(timeline.release(time - beat.release))
    say(len(stream) + 10)
    check(timeline.release(math.inf))
    assert [frame.index for frame in out] == list(range(len(stream)))
    assert len(timeline) == 0


def make_frames(steps: Sequence[float], cuts: Sequence[bool], trusted: Sequence[bool]) -> list[Frame]:
    stamp, scene, frames = 0.0, 0, []
    for index, (step, cut, trust) in enumerate(zip(steps, cuts, trusted, strict=True)):
        scene += cut
        time = stamp + step
        if math.isfinite(time):
            stamp = time
        frames.append(numbered(index, time, scene=scene, trusted=trust))
    return frames


@st.composite
def frame_lists(draw: st.DrawFn, max_size: int = 40) -> list[Frame]:
    size = draw(st.integers(1, max_size))
    steps = draw(st.lists(st.sampled_from(STEPS), min_size=size, max_size=size))
    cuts = draw(st.lists(st.sampled_from((False,) * 5 + (True,)), min_size=size, max_size=size))
    trusted = draw(st.lists(st.sampled_from((True,) * 5 + (False,)), min_size=size, max_size=size))
    return make_frames(steps, cuts, trusted)


scripts = st.lists(st.sampled_from((*GOOD_ANSWERS, *BAD_ANSWERS)), max_size=25)


@contextmanager
def capacity(frames: int) -> Iterator[None]:
    """An engine that holds no more than this many frames; they are far too small to fill its memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anonymizer, "MAX_FRAMES", frames)
        patch.setattr(worker, "POLL", 0.005)  # how long closing takes
        yield


def run(config: EngineConfig, frames: Sequence[Frame], detector: ScriptedDetector, room: int) -> list[MaskedFrame]:
    out: list[MaskedFrame] = []
    with capacity(room), Anonymizer(config, lambda: detector) as engine:
        for count, frame in enumerate(frames, 1):
            out += engine.push(frame)
            assert count - len(out) <= room, "more frames are held than there is room for"
        out += engine.flush()
        assert engine.stats.frames == len(out) == sum(engine.stats.covers.values())
    return out


def check_promise(frames: Sequence[Frame], out: Sequence[MaskedFrame], seen: Sequence[int]) -> None:
    """Every frame once and in order, and none shown without a usable verdict nearby."""
    assert [masked.index for masked in out] == [frame.index for frame in frames]
    clock = StreamClock()
    times = [clock.tick(frame.time) for frame in frames]
    for masked, frame in zip(out, frames, strict=True):
        now = times[frame.index]
        past = [now - times[i] for i in seen if times[i] <= now]
        ahead = [times[i] - now for i in seen if times[i] >= now]
        if masked.cover is Cover.BLANKET:
            assert all(plane.array.min() == plane.array.max() for plane in planes(masked.video))
            continue
        assert frame.trusted
        assert past and min(past) <= MAX_AGE
        if masked.cover is Cover.SETTLED:
            assert ahead and min(ahead) <= MAX_AGE and masked.mask_age == 0
        else:
            assert masked.cover is Cover.HELD and min(past) - 1e-9 <= masked.mask_age <= MAX_AGE


def config(timeout: float = 30.0, look_ahead: float = 0.4) -> EngineConfig:
    return engine_config(
        timeline={"max_mask_age": MAX_AGE, "detector_timeout": timeout, "look_ahead": look_ahead},
        sample={"min_interval": 0.04, "max_interval": 0.12},
        mask=BLANK,
    )


@settings(max_examples=120, deadline=None)
@given(frame_lists(), scripts, st.sampled_from((8, 12, 256)), st.sampled_from((0.0, 0.4, 3.0)))
def test_engine_keeps_the_promise_whatever_the_detector_answers(
    frames: list[Frame], script: list[str], room: int, look_ahead: float
) -> None:
    detector = ScriptedDetector(script)
    check_promise(frames, run(config(look_ahead=look_ahead), frames, detector, room), detector.seen)


@settings(max_examples=25, deadline=None)
@given(frame_lists(), scripts, st.integers(0, 12), st.sampled_from((8, 256)))
def test_engine_keeps_the_promise_when_the_detector_hangs(
    frames: list[Frame], script: list[str], hang_at: int, room: int
) -> None:
    release = threading.Event()
    detector = HangingDetector(script, hang_at, release)
    try:
        out = run(config(timeout=0.05), frames, detector, room)
        seen = list(detector.seen)
    finally:
        release.set()
    check_promise(frames, out, seen)


@pytest.mark.parametrize("then", ["raises", "nan"])
def test_nothing_but_failures_is_blanket_from_end_to_end(then: str) -> None:
    frames = make_frames([0.04] * 30, [False] * 30, [True] * 30)
    out = run(config(), frames, ScriptedDetector(then=then), 256)
    assert [masked.cover for masked in out] == [Cover.BLANKET] * 30


def test_frames_around_a_healthy_detector_are_settled() -> None:
    frames = make_frames([0.04] * 30, [False] * 30, [True] * 30)
    out = run(config(), frames, ScriptedDetector(then="face"), 256)
    assert [masked.cover for masked in out] == [Cover.SETTLED] * 30
    assert all(masked.faces for masked in out)


def test_untrusted_frames_are_blanket_and_their_neighbours_are_not() -> None:
    frames = make_frames([0.04] * 30, [False] * 30, [index not in (10, 11) for index in range(30)])
    out = run(config(), frames, ScriptedDetector(then="face"), 256)
    assert [masked.index for masked in out if masked.cover is Cover.BLANKET] == [10, 11]


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), scripts, st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_the_speed_of_the_detector_changes_nothing(chance: random.Random, script: list[str], delays: list[int]) -> None:
    size = 40
    steps = [chance.choice(STEPS[:10]) for _ in range(size)]
    cuts = [chance.random() < 0.15 for _ in range(size)]
    trusted = [chance.random() > 0.1 for _ in range(size)]

    def outcome(detector: ScriptedDetector) -> list[tuple[int, Cover, float, int, list[bytes]]]:
        out = run(config(), make_frames(steps, cuts, trusted), detector, 12)
        return [
            (m.index, m.cover, m.mask_age, m.faces, [plane.array.tobytes() for plane in planes(m.video)]) for m in out
        ]

    assert outcome(ScriptedDetector(script)) == outcome(SlowDetector(script, delays))
