from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
import pytest

from core.anonymizer import Anonymizer
from core.clock import Moment
from core.config import EngineConfig, SampleConfig
from core.detect.detection import Detection
from core.detect.detector_thread import Sample
from core.detect.still_scene import SETTLE, StillScene
from core.frame import Cover, Frame
from core.masked_frame import MaskedFrame
from core.pictures.planes import planes
from tests.rigs.fakes import ScriptedDetector, found

STEP = 0.25
INTERVAL = 4.0
ROOM = np.random.default_rng(7).integers(20, 200, (96, 160)).astype(np.float64).repeat(2, 0).repeat(2, 1)


def picture(seed: int = 0, noise: float = 4.0, pixels: str = "yuv420p") -> av.VideoFrame:
    """The same room in fresh noise."""
    made = ROOM + np.random.default_rng(seed).normal(0, noise, ROOM.shape)
    return av.VideoFrame.from_ndarray(np.clip(made, 0, 255).astype(np.uint8), "gray").reformat(format=pixels, threads=1)


def with_visitor(video: av.VideoFrame, contrast: int = 25, side: int = 16) -> av.VideoFrame:
    """Something at a place that is no multiple of a block's size."""
    luma: npt.NDArray[np.uint8] = planes(video)[0].array  # type: ignore[assignment]
    part = luma[61 : 61 + side, 83 : 83 + side]
    part[...] = np.minimum(part.astype(int) + contrast, 255)
    return video


class Eyes:
    """Looks at samples; notes when, and finds what it is told to."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.finds: list[Detection] = []
        self.error: Exception | None = None

    def __call__(self, sample: Sample) -> list[Detection]:
        self.times.append(sample.moment.time)
        if self.error is not None:
            raise self.error
        return self.finds


def show(
    scene: StillScene, number: int, video: av.VideoFrame | None = None, *, start: bool = False, isolated: bool = False
) -> list[Detection]:
    time = number * STEP
    return scene(Sample(Frame(number, video or picture(number), time), Moment(time, 1, 0.0), start, isolated))


SETTLED = round(SETTLE / STEP)


def settled() -> tuple[StillScene, Eyes]:
    """A scene in which nothing has changed for long enough; its next sample is number `SETTLED`."""
    eyes = Eyes()
    scene = StillScene(eyes, INTERVAL)
    for number in range(SETTLED):
        show(scene, number, start=number == 0)
    return scene, eyes


def test_a_still_scene_is_searched_until_all_was_seen_and_rarely_after_that() -> None:
    scene, eyes = settled()
    assert len(eyes.times) == SETTLED
    for number in range(SETTLED, 100):
        show(scene, number)
    assert np.diff(eyes.times[SETTLED - 1 :]).tolist() == [INTERVAL] * 5
    assert scene.spared == 100 - len(eyes.times)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le", "nv12"])
def test_whoever_enters_is_searched_at_once_and_until_all_was_seen(pixels: str) -> None:
    eyes = Eyes()
    scene = StillScene(eyes, INTERVAL)
    for number in range(SETTLED):
        show(scene, number, picture(number, pixels=pixels))
    show(scene, SETTLED, picture(SETTLED, pixels=pixels))
    assert scene.spared == 1
    entered = SETTLED + 1
    for number in range(entered, entered + SETTLED):
        video = with_visitor(picture(number), contrast=25).reformat(format=pixels, threads=1)
        show(scene, number, video)
    assert eyes.times[-SETTLED:] == [number * STEP for number in range(entered, entered + SETTLED)]


def test_small_or_faint_things_are_seen_to_enter() -> None:
    for contrast, side in ((25, 12), (6, 40)):
        scene, eyes = settled()
        show(scene, SETTLED, with_visitor(picture(SETTLED, noise=1.0), contrast, side))
        assert len(eyes.times) == SETTLED + 1, f"{side} px, {contrast} levels"


def test_a_slow_change_adds_up() -> None:
    scene, eyes = settled()
    for number in range(SETTLED, SETTLED + 40):
        show(scene, number, with_visitor(picture(number), contrast=number - SETTLED))
    assert len([time for time in eyes.times if time >= SETTLED * STEP]) > 30


@pytest.mark.parametrize("kind", ["start", "isolated", "size", "back in time"])
def test_never_spared(kind: str) -> None:
    scene, eyes = settled()
    if kind == "size":
        show(scene, SETTLED, av.VideoFrame(64, 64, "yuv420p"))
    elif kind == "back in time":
        show(scene, 3)
    else:
        show(scene, SETTLED, start=kind == "start", isolated=kind == "isolated")
    assert len(eyes.times) == SETTLED + 1


def test_a_scene_with_a_find_or_a_failure_is_searched_on() -> None:
    scene, eyes = settled()
    eyes.finds = [found(1, 1, 9, 9)]
    for number in range(SETTLED, 60):
        show(scene, number)
    after = [time for time in eyes.times if time >= SETTLED * STEP]
    assert after == [number * STEP for number in range(SETTLED + round(INTERVAL / STEP) - 1, 60)], "once it is searched"
    eyes.finds, eyes.error = [], RuntimeError("broken")
    for number in range(60, 60 + SETTLED):
        with pytest.raises(RuntimeError):
            show(scene, number)


@pytest.mark.parametrize(("interval", "pixels"), [(0.0, "yuv420p"), (INTERVAL, "rgb24")])
def test_without_interval_or_luma_all_is_searched(interval: float, pixels: str) -> None:
    eyes = Eyes()
    scene = StillScene(eyes, interval)
    for number in range(40):
        show(scene, number, picture(number, pixels=pixels))
    assert len(eyes.times) == 40 and not scene.spared


def calls(interval: float) -> int:
    """How often the detector is called for 12 seconds in which nothing happens; every frame is settled."""
    detector = ScriptedDetector()
    masked: list[MaskedFrame] = []
    with Anonymizer(EngineConfig(sample=SampleConfig(still_interval=interval)), lambda: detector) as engine:
        for number in range(120):
            video = picture(number)
            video.pts, video.time_base = number, Fraction(1, 10)
            masked += engine.push(Frame(number, video, number / 10))
        masked += engine.flush()
    assert len(masked) == 120 and all(frame.cover is Cover.SETTLED and not frame.regions for frame in masked)
    return detector.calls


def test_the_engine_spares_its_detector() -> None:
    assert calls(INTERVAL) < 0.6 * calls(0.0)
