"""The engine for recordings: what it counts, when it releases frames, and that it stops."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from core import Anonymizer, Cover, EngineConfig, Frame, MaskedFrame
from core.detect import detector_thread as worker
from core.detect.detection import Detection
from core.pictures.planes import BgrImage, planes
from tests.rigs.fakes import HangingDetector, ScriptedDetector, engine_config, numbered

CONFIG = engine_config(
    timeline={"look_ahead": 0.4, "max_mask_age": 0.3, "detector_timeout": 20.0},
    sample={"min_interval": 0.08, "max_interval": 0.16},
)


@pytest.fixture(autouse=True)
def _quick_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL", 0.005)


def still(count: int, cuts: Sequence[int] = ()) -> list[Frame]:
    return [numbered(i, i / 25, scene=sum(cut <= i for cut in cuts)) for i in range(count)]


def run(
    config: EngineConfig, frames: Sequence[Frame], detector: ScriptedDetector
) -> tuple[Anonymizer, list[MaskedFrame]]:
    with Anonymizer(config, lambda: detector) as engine:
        out = [masked for frame in frames for masked in engine.push(frame)]
        return engine, out + engine.flush()


def test_stats() -> None:
    detector = ScriptedDetector(["face", *["raises"] * 8, "nan"], then="face")
    engine, out = run(CONFIG, still(60), detector)
    stats = engine.stats
    assert stats.frames == len(out) == 60
    assert stats.samples == detector.calls and stats.failed_samples == 9
    assert stats.errors["RuntimeError: broken detector"] == 8 and sum(stats.errors.values()) == 9
    assert stats.faces >= 1
    assert set(stats.covers) == {Cover.SETTLED, Cover.HELD, Cover.BLANKET} and sum(stats.covers.values()) == 60
    assert stats.cpu.keys() == {"sample", "detect", "paint"} and all(seconds >= 0 for seconds in stats.cpu.values())


def test_the_picture_is_masked_where_the_face_is_and_only_there() -> None:
    frames = still(10)
    before = [planes(frame.video)[0].array.copy() for frame in frames]
    _, out = run(CONFIG, frames, ScriptedDetector(then="face"))  # at 20 to 40 of 64, so 10 to 20 of 32
    for masked, raw in zip(out, before, strict=True):
        changed = planes(masked.video)[0].array != raw
        assert changed[10:20, 10:20].any() and not changed[:3].any() and not changed[:, 28:].any()


@pytest.mark.parametrize("cuts", [(), (10,), (10, 11), (5, 6, 7), (29,)])
def test_both_sides_of_every_cut_are_sampled(cuts: tuple[int, ...]) -> None:
    detector = ScriptedDetector()
    _, out = run(CONFIG, still(30, cuts), detector)
    sides = {0, 29} | set(cuts) | {cut - 1 for cut in cuts}
    assert sides <= set(detector.seen)
    assert detector.seen == sorted(set(detector.seen)), "in order, none twice"
    assert {masked.cover for masked in out} == {Cover.SETTLED}


def test_no_face_crosses_a_cut() -> None:
    """The first scene has a face in every sample, the second has none."""
    frames = still(40, (20,))
    first = ScriptedDetector(then="face")
    run(CONFIG, still(40, (20,)), first)
    script = ["face" if index < 20 else "nothing" for index in first.seen]
    _, out = run(CONFIG, frames, ScriptedDetector(script))
    assert [bool(masked.faces) for masked in out] == [True] * 20 + [False] * 20


def test_an_engine_without_frames() -> None:
    with Anonymizer(CONFIG, lambda: ScriptedDetector()) as engine:
        assert engine.flush() == []
    assert engine.stats.frames == 0


def test_a_detector_that_hangs_is_abandoned_and_reported() -> None:
    release = threading.Event()
    config = CONFIG.model_copy(update={"timeline": CONFIG.timeline.model_copy(update={"detector_timeout": 0.05})})
    detector = HangingDetector(["face"] * 3, 3, release)
    try:
        engine, out = run(config, still(80), detector)
    finally:
        release.set()
    assert [masked.index for masked in out] == list(range(80))
    assert [message for message in engine.stats.errors if "abandoned" in message and "0.05 s" in message]
    assert engine.stats.failed_samples >= 1
    assert out[-1].cover is Cover.BLANKET and engine.stats.covers[Cover.BLANKET] > 50
    assert out[0].cover is Cover.SETTLED, "what was said before it hung still counts"


def test_close_ends_the_thread_and_may_be_called_twice() -> None:
    before = set(threading.enumerate())
    engine = Anonymizer(CONFIG, lambda: ScriptedDetector())
    engine.push(numbered(0, 0.0))
    engine.close()
    engine.close()
    assert set(threading.enumerate()) <= before and not engine.stats.errors


def test_an_exception_in_the_owner_ends_the_thread() -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt), Anonymizer(CONFIG, lambda: ScriptedDetector()) as engine:
        engine.push(numbered(0, 0.0))
        raise KeyboardInterrupt
    assert set(threading.enumerate()) <= before


def test_frames_after_close_are_blanket() -> None:
    engine = Anonymizer(CONFIG, lambda: ScriptedDetector(then="face"))
    engine.close()
    out = [masked for frame in still(5) for masked in engine.push(frame)] + engine.flush()
    assert [masked.cover for masked in out] == [Cover.BLANKET] * 5


def test_the_detector_is_made_and_used_in_its_own_thread() -> None:
    names: set[str] = set()

    class Named(ScriptedDetector):
        def __init__(self) -> None:
            super().__init__()
            names.add(threading.current_thread().name)

        def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
            names.add(threading.current_thread().name)
            return super().detect(pictures)

    with Anonymizer(CONFIG, Named) as engine:
        for frame in still(5):
            engine.push(frame)
        engine.flush()
    assert names == {"veilcast-detector"}


def test_zones_are_masked_without_any_face() -> None:
    zone = {"points": [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]}
    config = EngineConfig.model_validate({**CONFIG.model_dump(), "zones": [zone], "mask": {"style": "solid"}})
    _, out = run(config, still(3), ScriptedDetector())
    for masked in out:
        luma = planes(masked.video)[0].array
        assert luma[:14, :14].max() < 20 and luma[20:, 20:].max() > 25


def test_a_tag_comes_back_with_its_frame() -> None:
    tags = [object() for _ in range(12)]
    frames = [replace(frame, tag=tag) for frame, tag in zip(still(12), tags, strict=True)]
    stamps = [(frame.video.pts, frame.video.time_base) for frame in frames]
    _, out = run(CONFIG, frames, ScriptedDetector(["face", "raises"], then="face"))
    assert all(masked.tag is tag for masked, tag in zip(out, tags, strict=True))
    assert [(masked.video.pts, masked.video.time_base) for masked in out] == stamps
    assert [masked.time for masked in out] == [frame.time for frame in frames]
