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
    """A detector that can be chosen: how to make it from the lowest score to report, and what it needs."""

    make: Callable[[float], Detector]
    weights: Weights
    scales: tuple[ScaleConfig, ...]
    plain_side: float = math.inf
    """Side in pixels from which on a face that is not found is hidden or gone: a closer look finds other things."""


_YUNET_SCALES = (ScaleConfig(long_side=320), ScaleConfig(long_side=640), ScaleConfig(long_side=1280, every=5))
# BlazeFace sees a picture at 128 or 192 px: far faces need tiles.
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
    """The detector of that name. Raises ValueError for an unknown one."""
    if name not in DETECTORS:
        raise ValueError(f"unknown detector {name!r}; there are: {', '.join(sorted(DETECTORS))}")
    return DETECTORS[name]


def create(name: str, min_score: float) -> Detector:
    """A detector of that name. Raises ValueError for an unknown name, WeightsError for weights that are not right."""
    return find(name).make(min_score)


def default_scales(name: str) -> tuple[ScaleConfig, ...]:
    """The sizes that suit the detector of that name. Raises ValueError for an unknown one."""
    return find(name).scales
