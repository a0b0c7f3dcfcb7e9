"""Detectors that fail in every possible way, and small frames for them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import av
import numpy as np

from core.config import DetectConfig, EngineConfig, ScaleConfig
from core.detect.detection import Detection
from core.frame import Frame
from core.geometry import Box
from core.pictures.planes import BgrImage, planes

Answer = Callable[[Sequence[BgrImage]], list[list[Detection]]]

SIDE = 32
ONE_LOOK = DetectConfig(scales=(ScaleConfig(long_side=64),), follow_up=0)
"""The detector is called exactly once a sample, with a picture of 64 px."""


def found(x0: float, y0: float, x1: float, y1: float, score: float = 0.9, label: str = "face") -> Detection:
    return Detection(Box(x0, y0, x1, y1), score, "fake", label)


def says(*detections: Detection) -> Answer:
    """Returns the same detections for every picture."""
    return lambda pictures: [list(detections) for _ in pictures]


def raises(pictures: Sequence[BgrImage]) -> list[list[Detection]]:
    raise RuntimeError("broken\ndetector")


def too_few(pictures: Sequence[BgrImage]) -> list[list[Detection]]:
    return []


def too_many(pictures: Sequence[BgrImage]) -> list[list[Detection]]:
    return [[found(10, 10, 30, 30)] for _ in (*pictures, None)]


NOTHING = says()
FACE = says(found(20, 20, 40, 40))
GOOD_ANSWERS: dict[str, Answer] = {
    "nothing": NOTHING,
    "face": FACE,
    "two faces": says(found(2, 2, 20, 22), found(40, 30, 60, 58)),
    "weak": says(found(18, 22, 38, 42, 0.4)),
    "off the picture": says(found(400, 400, 440, 440)),
    "negative": says(found(-50, -60, -10, -5), found(-10, -10, 12, 12)),
    "enormous": says(found(-1e5, -1e5, 1e5, 1e5)),
    "beyond all": says(found(-1e200, -1e200, 1e200, 1e200), found(3, 3, 9, 9)),
    "a hair": says(found(5, 5, 5.0001, 60)),
}
"""Valid answers: finite boxes and scores, anywhere."""
BAD_ANSWERS: dict[str, Answer] = {
    "raises": raises,
    "too few": too_few,
    "too many": too_many,
    "nan": says(found(math.nan, 0, 20, 20), found(20, 20, 40, 40)),
    "inf": says(found(0, 0, math.inf, 20)),
    "nan score": says(found(20, 20, 40, 40, math.nan)),
    "inf score": says(found(20, 20, 40, 40, math.inf)),
    "absurd score": says(found(20, 20, 40, 40, 7.0)),
    "negative score": says(found(20, 20, 40, 40, -1.0)),
    "empty": says(found(30, 30, 30, 30)),
    "inside out": says(found(40, 40, 20, 20)),
}
"""Invalid answers that must be rejected."""


class ScriptedDetector:
    """Gives the n-th answer to the n-th call, and `then` from there on; `seen` lists the frames it answered soundly."""

    name = "scripted"

    def __init__(self, script: Sequence[str] = (), then: str = "nothing") -> None:
        self._script, self._then = list(script), then
        self.calls = 0
        self.seen: list[int] = []

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        name = self._script[self.calls] if self.calls < len(self._script) else self._then
        self.calls += 1
        if name in BAD_ANSWERS:
            return BAD_ANSWERS[name](pictures)
        answer = GOOD_ANSWERS[name](pictures)
        self.seen.append(read_number(pictures[0]))
        return answer


class HangingDetector(ScriptedDetector):
    """Hangs in the n-th call until `release` is set; before that it answers as the script says."""

    def __init__(self, script: Sequence[str], hang_at: int, release: threading.Event) -> None:
        super().__init__(script)
        self.hang_at, self._release = hang_at, release

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        if self.calls == self.hang_at:
            self._release.wait(60)
        return super().detect(pictures)


class SlowDetector(ScriptedDetector):
    """Takes these milliseconds for its calls, over and over: shuffles who waits for whom."""

    def __init__(self, script: Sequence[str], delays: Sequence[int]) -> None:
        super().__init__(script)
        self._delays = delays

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        time.sleep(self._delays[self.calls % len(self._delays)] / 1000)
        return super().detect(pictures)


def numbered(index: int, time: float, *, scene: int = 0, trusted: bool = True, side: int = SIDE) -> Frame:
    """A frame whose picture says its number (up to 255) in faint squares, over bold ones that say its scene."""
    video = av.VideoFrame(side, side, "yuv420p")
    luma, *chroma = planes(video)
    cell = side // 4
    for bit in range(8):
        x, y = bit % 4 * cell, bit // 4 * cell
        luma.array[y : y + cell, x : x + cell] = 120 if index >> bit & 1 else 100
        bold = (scene * 0x9D + 0x55) >> bit & 1
        luma.array[y + 2 * cell : y + 3 * cell, x : x + cell] = 220 if bold else 30
    for plane in chroma:
        plane.array[...] = 128
    video.pts, video.time_base = index, Fraction(1, 25)
    return Frame(index, video, time, trusted=trusted)


def read_number(picture: BgrImage) -> int:
    """The number that a `numbered` picture says."""
    cell = picture.shape[0] // 4
    middles = [
        picture[bit // 4 * cell + cell // 2, bit % 4 * cell + cell // 2].astype(np.float64).mean() for bit in range(8)
    ]
    return sum(1 << bit for bit, grey in enumerate(middles) if grey > 109)


def engine_config(**sections: Mapping[str, object]) -> EngineConfig:
    """A configuration with one detector call per sample, plus these options."""
    return EngineConfig.model_validate({"detect": ONE_LOOK.model_dump(), **sections})
