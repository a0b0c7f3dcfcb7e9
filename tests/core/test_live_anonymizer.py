"""The live engine: deadlines, late and missing verdicts, replacement of a broken detector."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import engine as core_engine
from core import live_anonymizer as live
from core.anonymizer import Anonymizer
from core.config import EngineConfig, MaskConfig, ZoneConfig
from core.detect import detector_thread as worker
from core.detect.detection import Detection
from core.detect.turned import Scans, TurnedScanner
from core.engine import MAX_MESSAGES, Stats
from core.frame import Cover
from core.live_anonymizer import LiveAnonymizer
from core.masked_frame import MaskedFrame
from core.pictures.planes import BgrImage, planes
from tests.rigs.fakes import BAD_ANSWERS, GOOD_ANSWERS, HangingDetector, ScriptedDetector, engine_config, numbered

ScansMaker = Callable[[], Scans]
MAX_AGE = 0.5
STEP = 0.04
WAIT = 10.0


def config(look_ahead: float = 0.2, timeout: float = 2.0) -> EngineConfig:
    return engine_config(
        timeline={"max_mask_age": MAX_AGE, "detector_timeout": timeout, "look_ahead": look_ahead},
        # The numbers on these frames jump like sparse pictures; in these tests only time decides when to sample.
        sample={
            "min_interval": 0.12,
            "max_interval": 0.12,
            "forced_change_share": 1,
            "sparse_ratio": 1,
            "isolated_ratio": 1,
        },
        mask={"style": "solid", "color": (0, 0, 0)},
    )


def is_flat(masked: MaskedFrame) -> bool:
    return all(plane.array.min() == plane.array.max() for plane in planes(masked.video))


def until_heard(engine: LiveAnonymizer, samples: int, now: float) -> list[MaskedFrame]:
    """Poll until the detector has given this many verdicts, without advancing the engine's clock."""
    out: list[MaskedFrame] = []
    deadline = time.monotonic() + WAIT
    while engine.stats.samples < samples:
        assert time.monotonic() < deadline
        out += engine.poll(now)
        time.sleep(0.001)
    return out


def play(engine: LiveAnonymizer, count: int, *, first: int = 0, patient: bool = True) -> list[MaskedFrame]:
    """Frames at their normal pace, on a clock that waits for the detector if `patient`."""
    out: list[MaskedFrame] = []
    for index in range(first, first + count):
        now = index * STEP
        before = engine.stats.samples
        engine.push(numbered(index, now), now)
        if patient and index % 3 == 0:
            out += until_heard(engine, before + 1, now)
        out += engine.poll(now)
    return out


def test_every_frame_leaves_on_its_deadline() -> None:
    with LiveAnonymizer(config(look_ahead=0.2), ScriptedDetector) as engine:
        assert engine.next_deadline is None and engine.poll(5.0) == []
        for index in range(4):
            engine.push(numbered(index, index * STEP), index * STEP)
        assert engine.next_deadline == pytest.approx(0.2) and len(engine) == 4
        assert engine.poll(0.19) == []
        assert [masked.index for masked in engine.poll(0.25)] == [0, 1]
        assert engine.next_deadline == pytest.approx(0.28)
        assert [masked.index for masked in engine.poll(9.0)] == [2, 3]
        assert engine.next_deadline is None


def test_without_look_ahead_frames_leave_at_once() -> None:
    with LiveAnonymizer(config(look_ahead=0.0), lambda: ScriptedDetector(then="face")) as engine:
        engine.push(numbered(0, 0.0), 0.0)
        assert [masked.cover for masked in engine.poll(0.0)] == [Cover.BLANKET], "nothing is known of it"
        until_heard(engine, 1, 0.0)
        engine.push(numbered(1, STEP), STEP)
        (masked,) = engine.poll(STEP)
        assert masked.cover is Cover.HELD and masked.faces == 1 and masked.mask_age == pytest.approx(STEP)


def test_a_healthy_detector_settles_frames() -> None:
    with LiveAnonymizer(config(), lambda: ScriptedDetector(then="face")) as engine:
        out = play(engine, 30)
    assert [masked.index for masked in out] == list(range(len(out))) and len(out) == 25
    assert {masked.cover for masked in out} == {Cover.SETTLED} and all(masked.faces for masked in out)


def test_before_the_first_verdict_everything_is_blanket() -> None:
    gate = threading.Event()
    with LiveAnonymizer(config(), lambda: HangingDetector([], 0, gate)) as engine:
        out = play(engine, 20, patient=False)
        assert len(out) == 15 and all(masked.cover is Cover.BLANKET and is_flat(masked) for masked in out)
        gate.set()


def test_a_late_detector_makes_masks_held_and_then_blanket() -> None:
    gate = threading.Event()
    with LiveAnonymizer(config(timeout=60), lambda: HangingDetector(["face"] * 40, 4, gate)) as engine:
        out = play(engine, 10)
        heard = engine.stats.samples
        assert heard == 4
        out += play(engine, 30, first=10, patient=False)
        gate.set()
    covers = [masked.cover for masked in out]
    assert covers == sorted(covers, key=[Cover.SETTLED, Cover.HELD, Cover.BLANKET].index), "it only gets worse"
    held = [masked for masked in out if masked.cover is Cover.HELD]
    assert [masked.mask_age for masked in held] == pytest.approx([STEP * (n + 1) for n in range(12)])
    assert all(masked.faces for masked in held), "also past `hold`: nothing says that the face has gone"
    assert all(is_flat(masked) for masked in out if masked.cover is Cover.BLANKET)


def test_a_late_verdict_sees_the_raw_picture_and_changes_nothing_that_has_left() -> None:
    gate = threading.Event()
    detector = HangingDetector(["face"] * 40, 0, gate)
    with LiveAnonymizer(config(timeout=60), lambda: detector) as engine:
        out = play(engine, 12, patient=False)
        assert out and out[0].index == 0 and is_flat(out[0])
        gate.set()
        until_heard(engine, 1, 12 * STEP)
        assert detector.seen[0] == 0, "read from a picture that has long been painted over"
        assert is_flat(out[0])


def test_a_cut_by_the_source_carries_nothing_over() -> None:
    with LiveAnonymizer(config(), lambda: ScriptedDetector(["face"] * 4)) as engine:
        out = play(engine, 10)
        heard = engine.stats.samples
        now = 10 * STEP
        engine.push(numbered(10, now), now, cut=True)
        out += until_heard(engine, heard + 1, now)
        out += engine.poll(now + 1)
    assert all(masked.faces for masked in out if masked.index < 8)
    assert out[-1].index == 10 and out[-1].cover is Cover.SETTLED and not out[-1].faces


class SlowDetector(ScriptedDetector):
    """Answers only when released."""

    def __init__(self) -> None:
        super().__init__(then="face")
        self.gate = threading.Semaphore(0)

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        assert self.gate.acquire(timeout=WAIT)
        return super().detect(pictures)


def test_a_scene_that_begins_while_the_detector_is_busy_is_sampled_as_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampled: list[tuple[int, bool]] = []
    submit = worker.DetectorThread.try_submit

    def watched(thread: worker.DetectorThread, sample: worker.Sample) -> bool:
        sampled.append((sample.frame.index, sample.scene_start))
        return submit(thread, sample)

    monkeypatch.setattr(worker.DetectorThread, "try_submit", watched)
    detector = SlowDetector()
    with LiveAnonymizer(config(), lambda: detector) as engine:
        for index in range(3):
            engine.push(numbered(index, index * STEP), index * STEP)
        engine.push(numbered(3, 3 * STEP, scene=7), 3 * STEP)
        assert sampled == [(0, True), (2, False), (3, True)], "both sides of the cut, though one is under way"
        for index in range(4, 6):
            engine.push(numbered(index, index * STEP, scene=9), index * STEP)
        assert len(sampled) == 3, "no room"
        detector.gate.release(3)
        until_heard(engine, 3, 6 * STEP)
        engine.push(numbered(6, 6 * STEP, scene=9), 6 * STEP)
        assert sampled[3] == (6, True), "the first sample of its scene, though not its first frame"
        detector.gate.release(9)


def test_a_detector_that_keeps_failing_is_replaced() -> None:
    makes: list[ScriptedDetector] = [ScriptedDetector(then="raises"), ScriptedDetector(then="face")]
    with LiveAnonymizer(config(), lambda: makes.pop(0)) as engine:
        deadline, index = time.monotonic() + WAIT, 0
        while makes or not engine.stats.samples > engine.stats.failed_samples:
            assert time.monotonic() < deadline
            engine.push(numbered(index % 256, index * STEP), index * STEP)
            engine.poll(index * STEP)
            time.sleep(0.001)
            index += 1
        assert engine.stats.errors[f"the detector failed {live.MAX_FAILURES} times in a row"] == 1


def test_the_number_of_different_error_messages_is_bounded() -> None:
    stats = Stats()
    for count in range(10 * MAX_MESSAGES):
        stats.error(f"box {count} is odd")
    stats.error("box 1 is odd")
    assert len(stats.errors) == MAX_MESSAGES + 1
    assert stats.errors["box 1 is odd"] == 2 and stats.errors.total() == 10 * MAX_MESSAGES + 1


def test_zones_and_style_change_between_two_frames() -> None:
    with LiveAnonymizer(config(), ScriptedDetector) as engine:
        play(engine, 10)
        zone = ZoneConfig(points=((0, 0), (1, 0), (1, 1), (0, 1)))
        assert not is_flat(engine.poll(5 * STEP + 0.2)[-1])
        engine.repaint(MaskConfig(style="solid"), [zone])
        assert is_flat(engine.poll(9.0)[-1])


class Broken(BaseException):
    """Not an `Exception`: no handler catches it."""


class DyingDetector(ScriptedDetector):
    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        raise Broken


def recovered(engine: LiveAnonymizer, first: int) -> list[MaskedFrame]:
    """Frames from a time at which a broken detector must have been replaced."""
    deadline, index = time.monotonic() + WAIT, first
    while engine.stats.samples == 0:
        assert time.monotonic() < deadline
        engine.push(numbered(index % 256, index * STEP), index * STEP)
        engine.poll(index * STEP)
        time.sleep(0.002)
        index += 1
    heard = engine.stats.samples
    engine.push(numbered(index % 256, index * STEP), index * STEP, cut=True)
    until_heard(engine, heard + 1, index * STEP)
    return engine.poll(index * STEP + 1)


def test_a_detector_that_dies_is_replaced() -> None:
    makes: list[ScriptedDetector] = [DyingDetector(), ScriptedDetector(then="face")]
    with LiveAnonymizer(config(), lambda: makes.pop(0)) as engine:
        assert recovered(engine, 0)[-1].cover is Cover.SETTLED
        assert engine.stats.errors["the detector thread died"] == 1


def test_a_detector_that_hangs_is_replaced() -> None:
    gate = threading.Event()
    makes: list[ScriptedDetector] = [HangingDetector([], 0, gate), ScriptedDetector(then="face")]
    with LiveAnonymizer(config(timeout=0.3), lambda: makes.pop(0)) as engine:
        out = recovered(engine, 0)
        gate.set()
        assert out[-1].cover is Cover.SETTLED and out[-1].faces
        assert engine.stats.errors["the detector did not answer for 0.3 s"] == 1


@pytest.mark.slow
def test_detectors_that_hang_for_good_are_not_replaced_for_ever() -> None:
    gate, made = threading.Event(), []

    def make() -> HangingDetector:
        made.append(HangingDetector([], 0, gate))
        return made[-1]

    with LiveAnonymizer(config(timeout=0.3), make) as engine:
        for index in range(20_000):
            engine.push(numbered(index % 256, index * STEP), index * STEP)
            assert all(masked.cover is Cover.BLANKET for masked in engine.poll(index * STEP))
        assert len(made) <= live.MAX_ABANDONED
        gate.set()


def test_a_flood_of_frames_is_bounded() -> None:
    with LiveAnonymizer(config(look_ahead=60.0), ScriptedDetector) as engine:
        for index in range(1000):
            engine.push(numbered(index % 256, index * 0.001), index * 0.001)
            engine.poll(index * 0.001)
            assert len(engine) <= live.MAX_FRAMES


scripts = st.lists(st.sampled_from((*GOOD_ANSWERS, *BAD_ANSWERS)), max_size=25)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from((0.0, 0.01, STEP, STEP, STEP, 0.2, 0.7)), min_size=1, max_size=40),
    scripts,
    st.sampled_from((0.0, 0.1, 0.2, 1.0)),
    st.integers(0, 12),
    st.booleans(),
    st.data(),
)
def test_the_promise_whatever_the_detector_does(
    steps: list[float], script: list[str], look_ahead: float, hang_at: int, patient: bool, data: st.DataObject
) -> None:
    """In order, none lost, none twice, each settled, held within `max_mask_age`, or blanket."""
    gate = threading.Event()
    detector = HangingDetector(script, hang_at, gate)
    trusted = data.draw(st.lists(st.sampled_from((True, True, True, False)), min_size=len(steps), max_size=len(steps)))
    times: list[float] = []
    out: list[MaskedFrame] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "POLL", 0.005)
        with LiveAnonymizer(config(look_ahead, timeout=0.3), lambda: detector) as engine:
            now = 0.0
            for index, step in enumerate(steps):
                now += step
                times.append(now)
                engine.push(numbered(index, now, trusted=trusted[index]), now)
                if patient:
                    time.sleep(0.001)
                out += engine.poll(now)
                assert all(now - times[m.index] >= look_ahead - 1e-9 for m in out[-1:])
            out += engine.flush()
            gate.set()
            covers = engine.stats.covers
    assert [masked.index for masked in out] == list(range(len(steps)))
    assert sum(covers.values()) == len(out)
    for masked in out:
        if masked.cover is Cover.BLANKET:
            assert is_flat(masked)
            continue
        assert trusted[masked.index] and masked.mask_age <= MAX_AGE
        # The engine's clock gives repeated stamps a step of their own, so one step of doubt each.
        near = [abs(times[seen] - times[masked.index]) for seen in detector.seen]
        assert near and min(near) <= MAX_AGE + 0.08 * len(steps)


def test_a_tag_comes_back_with_its_frame() -> None:
    tags = [object() for _ in range(8)]
    with LiveAnonymizer(config(), lambda: ScriptedDetector(then="face")) as engine:
        for index, tag in enumerate(tags):
            engine.push(replace(numbered(index, index * STEP), tag=tag), index * STEP)
        out = engine.flush()
    assert all(masked.tag is tag for masked, tag in zip(out, tags, strict=True))


def test_a_live_scene_does_not_wait_for_turned_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    spread: list[bool] = []

    class Noted(TurnedScanner):
        def __init__(
            self, upright: Scans, probe: ScansMaker, full: ScansMaker, interval: float, *, spread: bool = False
        ) -> None:
            super().__init__(upright, probe, full, interval, spread=spread)
            noted(spread)

    noted = spread.append
    monkeypatch.setattr(core_engine, "TurnedScanner", Noted)
    frame = numbered(0, 0.0)
    with LiveAnonymizer(EngineConfig()) as engine:
        engine.push(frame, 0.0)
        until_heard(engine, 1, 0.0)
    with Anonymizer(EngineConfig()) as anonymizer:
        list(anonymizer.push(frame))
        list(anonymizer.flush())
    assert spread == [True, False], "a file has the time, and loses nothing of a scene's beginning"
