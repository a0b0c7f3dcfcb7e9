"""The veil: a function of what is visible. Proven by swapping what is under the masks."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import MaskConfig, ZoneConfig
from core.frame import Cover, Frame, Region, Verdict
from core.geometry import Box
from core.paint.masker import Masker
from core.paint.styles import Alpha
from core.pictures.orientation import Orientation
from core.pictures.planes import FORMATS, Samples, planes

SIZE = (96, 72)


def noise(seed: int, pixels: str, size: tuple[int, int] = SIZE) -> av.VideoFrame:
    video = av.VideoFrame(*size, pixels)
    random = np.random.default_rng(seed)
    for plane in planes(video):
        plane.array[...] = random.integers(0, plane.max_value + 1, plane.array.shape)
    return video


def painted(masker: Masker, videos: Sequence[av.VideoFrame], verdicts: Sequence[Verdict], turn: int) -> list[Samples]:
    out = []
    for index, (video, verdict) in enumerate(zip(videos, verdicts, strict=True)):
        masked = masker.mask(Frame(index, video, index * 0.4, Orientation(turn)), verdict)
        out += [plane.array.copy() for plane in planes(masked.video)]
    return out


def hidden(
    config: MaskConfig, zones: Sequence[ZoneConfig], pixels: str, verdicts: Sequence[Verdict], turn: int
) -> list[Samples]:
    """For every frame and plane, True where some mask covers a sample fully."""

    def mark(target: Samples, _painted: Samples, alpha: Alpha, _spare: Samples) -> None:
        target[alpha.rest == 0] = 1

    videos = [av.VideoFrame(*SIZE, pixels) for _ in verdicts]
    for video in videos:
        for plane in planes(video):
            plane.array[...] = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.paint.masker.blend", mark)
        return [plane == 1 for plane in painted(Masker(config, zones), videos, verdicts, turn)]


boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.floats(-20, 90),
    st.floats(-20, 70),
    st.floats(4, 80),
    st.floats(4, 60),
)
regions = st.lists(st.builds(Region, boxes, st.integers(-1, 3)), min_size=1, max_size=4).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(FORMATS)),
    st.lists(regions, min_size=1, max_size=4),
    st.sampled_from(["ellipse", "box"]),
    st.booleans(),
    st.sampled_from([0, 90, 180, 270]),
)
def test_what_lies_under_the_masks_changes_nothing(
    pixels: str, shown: list[tuple[Region, ...]], shape: str, zone: bool, turn: int
) -> None:
    config = MaskConfig.model_validate({"style": "veil", "shape": shape})
    zones = (ZoneConfig(points=((0, 0), (0.4, 0.1), (0.2, 0.5))),) if zone else ()
    verdicts = [Verdict(Cover.SETTLED, found) for found in shown]
    gone = hidden(config, zones, pixels, verdicts, turn)
    one = [noise(1 + index, pixels) for index in range(len(verdicts))]
    two = [noise(1 + index, pixels) for index in range(len(verdicts))]
    count = len(planes(one[0]))
    for index, video in enumerate(two):
        for number, plane in enumerate(planes(video)):
            under = gone[index * count + number]
            plane.array[under] = plane.max_value - plane.array[under]
    first = painted(Masker(config, zones), one, verdicts, turn)
    second = painted(Masker(config, zones), two, verdicts, turn)
    assert any(under.any() for under in gone)
    for a, b in zip(first, second, strict=True):
        assert (a == b).all()
