"""Fills a region from what is visible around it, never from what is under it.

The published picture is then a function of what anyone can see of it: the fill gives nothing away. Smooth, and of low
order: averages of small blocks around the region, weighted by their distance (Shepard, "A two-dimensional interpolation
function for irregularly-spaced data", 1968).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from core.paint.styles import Span, solid_grid
from core.pictures.planes import Plane, Samples

NODES: Final = 4
"""Points a side at which a fill is worked out; in between it is smooth."""

_BLOCKS: Final = 8  # blocks that the shorter side of a region is cut into
_RING: Final = 3  # blocks around a region that are looked at
_SOFTNESS: Final = 1.0  # squared blocks: how much alike near blocks count

NEUTRAL: Final = (128, 128, 128)
"""Red, green, blue where nothing around a region is visible, and of a blanket frame."""


def veil(plane: Plane, window: Span, hidden: Sequence[Span], parts: tuple[int, int]) -> Samples:
    """Colours for a grid of `parts` (columns, rows) over `window`, from samples outside every span of `hidden`.

    `hidden` must hold everything that is painted on this plane, `window` included. If no block around is visible, the
    colour is `NEUTRAL`. Shape (rows, columns) or (rows, columns, channels), in the plane's own type.
    """
    columns, rows = parts
    height, width = plane.array.shape[:2]
    side = 2 ** max(1, int(math.log2(max(2.0, min(window.width, window.height) / _BLOCKS))))
    # Whole blocks only: their averages depend on no sample outside them.
    left, right = max(0, window.x0 // side - _RING), min(width // side, -(-window.x1 // side) + _RING)
    top, bottom = max(0, window.y0 // side - _RING), min(height // side, -(-window.y1 // side) + _RING)
    visible = np.ones((max(0, bottom - top), max(0, right - left)), np.bool_)
    for span in hidden:
        x0, x1 = max(0, span.x0 // side - left), max(0, -(-span.x1 // side) - left)
        y0, y1 = max(0, span.y0 // side - top), max(0, -(-span.y1 // side) - top)
        visible[y0:y1, x0:x1] = False
    ys, xs = np.nonzero(visible)
    if not len(ys):
        neutral = solid_grid(plane, NEUTRAL, 2, full_range=True)  # grey is in the middle in every range
        return np.broadcast_to(neutral, (rows, columns, *neutral.shape[2:])).copy()
    area = plane.array[top * side : bottom * side, left * side : right * side]
    size = visible.shape[1], visible.shape[0]
    blocks = np.asarray(cv2.resize(area, size, interpolation=cv2.INTER_AREA), plane.array.dtype)
    seen = blocks[ys, xs].astype(np.float64).reshape(len(ys), -1)
    at_x = (window.x0 + (np.arange(columns) + 0.5) * window.width / columns) / side - left - 0.5
    at_y = (window.y0 + (np.arange(rows) + 0.5) * window.height / rows) / side - top - 0.5
    apart = np.square(at_y[:, None, None] - ys) + np.square(at_x[None, :, None] - xs)
    weights = (apart + _SOFTNESS) ** -1.5
    values = weights @ seen / weights.sum(axis=2)[:, :, None]
    grid: Samples = np.rint(values).astype(plane.array.dtype)
    return grid if plane.array.ndim == 3 else np.ascontiguousarray(grid[:, :, 0])
