"""Pictures to paint on, and what is left of them: for tests of the masker."""

from __future__ import annotations

import math

import av
import cv2
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from skimage import data

from core.config import MaskConfig
from core.frame import Cover, Frame, Region, Verdict
from core.geometry import Box
from core.masked_frame import MaskedFrame
from core.pictures.planes import Plane, planes

FACE = Box(175, 60, 280, 190)  # in the 512 x 512 astronaut
STYLES = ("veil", "blur", "mosaic", "solid")
BAD = (
    Box(math.nan, 0, 10, 10),
    Box(0, 0, math.inf, 10),
    Box(-math.inf, -math.inf, math.inf, math.inf),
    Box(5, 5, 5, 20),
    Box(20, 20, 10, 10),
    Box(0, 0, 1e7, 10),
    Box(-1e300, -1e300, 1e300, 1e300),
)
"""Boxes that no region can have."""


def mask_config(**options: object) -> MaskConfig:
    return MaskConfig.model_validate(options)


def astronaut(pixel_format: str = "yuv420p", scale: float = 1.0) -> Frame:
    picture = np.ascontiguousarray(data.astronaut())  # type: ignore[no-untyped-call]
    picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return Frame(0, av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format, threads=1), 0.0)


def checkered(pixel_format: str = "yuv420p", size: tuple[int, int] = (64, 48)) -> Frame:
    """Every sample is black or white, unlike all four neighbours: an average of three or more a side is neither."""
    video = av.VideoFrame(*size, pixel_format)
    for plane in planes(video):
        rows, columns = np.indices(plane.array.shape[:2])
        board = ((rows + columns) % 2 * plane.max_value).astype(plane.array.dtype)
        plane.array[...] = board if plane.array.ndim == 2 else board[:, :, None]
    return Frame(0, video, 0.0)


def copies(frame: Frame | MaskedFrame) -> list[npt.NDArray[np.int64]]:
    return [plane.array.astype(np.int64) for plane in planes(frame.video)]


def settled(*boxes: Box) -> Verdict:
    return Verdict(Cover.SETTLED, tuple(map(Region, boxes)))


def is_raw(plane: Plane) -> npt.NDArray[np.bool_]:
    """Which samples of a checkered plane are still nearly black or white."""
    part = plane.array.astype(np.float64) / plane.max_value
    raw: npt.NDArray[np.bool_] = (part < 0.3) | (part > 0.7)
    return raw if raw.ndim == 2 else raw.any(axis=2)


def touched(plane: Plane, box: Box, shape: str) -> npt.NDArray[np.bool_]:
    """Which samples of a plane have any part of their square inside the ellipse in `box`, or inside the box."""
    height, width = plane.array.shape[:2]
    (cx, cy), step_x, step_y = box.center, 1 << plane.x_shift, 1 << plane.y_shift
    xs, ys = np.arange(width) * step_x, np.arange(height) * step_y
    u = np.abs(np.clip(cx, xs, xs + step_x) - cx) / max(box.width / 2, 1e-9)
    v = np.abs(np.clip(cy, ys, ys + step_y) - cy) / max(box.height / 2, 1e-9)
    join = np.add if shape == "ellipse" else np.maximum
    inside: npt.NDArray[np.bool_] = join(np.minimum(v[:, None], 2) ** 2, np.minimum(u[None, :], 2) ** 2) < 1
    return inside


coordinates = st.floats(-150, 250) | st.sampled_from([0.0, 64.0, 48.0, -1e6, 1e6, math.nan, math.inf])
boxes = st.builds(Box, coordinates, coordinates, coordinates, coordinates) | st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    *[st.floats(-20, 70), st.floats(-20, 50), st.floats(0.01, 80), st.floats(0.01, 80)],
)
