"""Face detectors behind one interface, chosen by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from core.config import ScaleConfig
from core.detect.centerface import CenterFace
from core.detect.detection import Detector
from core.detect.mediapipe import MediaPipe
from core.detect.model_files import BLAZEFACE_FULL, BLAZEFACE_SHORT, CENTERFACE, YUNET, Weights
from core.detect.yunet import YuNet


@dataclass(frozen=True, slots=True)
class DetectorEntry:
    """A detector that can be chosen: how to make it, given the lowest score to report, and what it needs."""

    make: Callable[[float], Detector]
    weights: Weights
    scales: tuple[ScaleConfig, ...]
    plain_side: float = math.inf
    """A face of at least this side in pixels that is not found is hidden or gone: crops find other things."""


_YUNET_SCALES = (ScaleConfig(long_side=320), ScaleConfig(long_side=640), ScaleConfig(long_side=1280, every=5))
# BlazeFace scales pictures to 128 or 192 px, so distant faces need tiles.
_BLAZEFACE_SCALES = (
    ScaleConfig(long_side=256),
    ScaleConfig(long_side=256, rows=2, columns=4),
    ScaleConfig(long_side=256, rows=3, columns=5, every=2),
)

_CENTERFACE_SCALES = (ScaleConfig(long_side=640), ScaleConfig(long_side=1280, every=5))

DETECTORS: dict[str, DetectorEntry] = {
    "centerface": DetectorEntry(CenterFace, CENTERFACE, _CENTERFACE_SCALES),
    "yunet": DetectorEntry(YuNet, YUNET, _YUNET_SCALES, plain_side=28),
    "mediapipe": DetectorEntry(MediaPipe, BLAZEFACE_FULL, _BLAZEFACE_SCALES),
    "mediapipe-short": DetectorEntry(partial(MediaPipe, full_range=False), BLAZEFACE_SHORT, _BLAZEFACE_SCALES),
}


def find(name: str) -> DetectorEntry:
    """The detector with this name. Raises ValueError if there is none."""
    if name not in DETECTORS:
        raise ValueError(f"unknown detector {name!r}; there are: {', '.join(sorted(DETECTORS))}")
    return DETECTORS[name]


def create(name: str, min_score: float) -> Detector:
    """Make the detector with this name. Raises ValueError if there is none, WeightsError if its weights are wrong."""
    return find(name).make(min_score)


def default_scales(name: str) -> tuple[ScaleConfig, ...]:
    """The sizes that suit the detector with this name. Raises ValueError if there is none."""
    return find(name).scales
