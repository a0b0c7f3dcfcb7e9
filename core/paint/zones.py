"""Static polygons that are masked on every frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from core.config import ZoneConfig
from core.geometry import Box
from core.paint.styles import Placed, Span, as_alpha
from core.pictures.orientation import Orientation
from core.pictures.planes import Plane

_KEPT: Final = 4
"""Number of sizes and orientations cached: a stream usually has one, or a few if it changes."""


class Zones:
    """Zones of the upright picture, drawn once for each size, orientation and pixel format."""

    def __init__(self, zones: Sequence[ZoneConfig]) -> None:
        self._zones = tuple(zones)
        self._drawn: dict[tuple[int, int, Orientation, str], tuple[tuple[Placed, ...], ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._zones)

    def patches(
        self, video_format: str, width: int, height: int, orientation: Orientation, views: Sequence[Plane]
    ) -> tuple[tuple[Placed, ...], ...]:
        """For each plane, the zones that touch it. `width` x `height` is the coded size, `views` are the planes."""
        key = (width, height, orientation, video_format)
        drawn = self._drawn.get(key)
        if drawn is None:
            outlines = [self._outline(zone, width, height, orientation) for zone in self._zones]
            drawn = tuple(tuple(_patches(outlines, plane)) for plane in views)
            while len(self._drawn) >= _KEPT:
                self._drawn.pop(next(iter(self._drawn)))
            self._drawn[key] = drawn
        return drawn

    @staticmethod
    def _outline(zone: ZoneConfig, width: int, height: int, orientation: Orientation) -> npt.NDArray[np.float64]:
        """The corners in pixels of the coded picture, shape (corners, 2)."""
        size = orientation.upright_size(width, height) if zone.unit == "fractions" else (1, 1)
        corners = []
        for x, y in zone.points:
            point = orientation.to_coded(Box(x * size[0], y * size[1], x * size[0], y * size[1]), width, height)
            corners.append((point.x0, point.y0))
        return np.array(corners, np.float64)


def _patches(outlines: Sequence[npt.NDArray[np.float64]], plane: Plane) -> list[Placed]:
    height, width = plane.array.shape[:2]
    patches = []
    for outline in outlines:
        inside = rasterized(outline / (1 << plane.x_shift, 1 << plane.y_shift), width, height)
        x, y, w, h = cv2.boundingRect(inside)
        if w and h:
            alpha = as_alpha(inside[y : y + h, x : x + w], plane)
            patches.append(Placed(Span(x, y, x + w, y + h), alpha, (1.0, 1.0), shape=object()))
    return patches


def rasterized(outline: npt.NDArray[np.float64], width: int, height: int) -> npt.NDArray[np.uint8]:
    """255 inside the closed polygon (corners of shape (n, 2)) and one sample beyond, else 0; shape (height, width).

    A polygon that crosses itself covers every point it winds around: it has no holes.
    """
    winding = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        # Rows whose centre the edge crosses; the winding number changes to the right of the crossing.
        low, high = min(y0, y1), max(y0, y1)
        rows = np.arange(max(0, math.ceil(low - 0.5)), min(height, math.ceil(high - 0.5)))
        if rows.size:
            crossing = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.intp)
            winding[rows, columns] += 1 if y1 > y0 else -1
    inside = np.cumsum(winding[:, :width], axis=1) != 0
    # One more sample on every side, to cover samples that the edge only touches.
    return np.asarray(cv2.dilate(inside.astype(np.uint8) * 255, np.ones((3, 3), np.uint8)), np.uint8)
