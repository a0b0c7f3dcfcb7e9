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
import numpy.typing as npt

from core.paint.styles import Span, solid_grid
from core.pictures.planes import Plane, Samples

NODES: Final = 3
"""Points a side at which a fill is worked out; in between it is smooth."""

NEUTRAL: Final = (128, 128, 128)
"""Red, green, blue where nothing around a region is visible, and of a blanket frame."""

_BLOCKS: Final = 8  # blocks that the shorter side of a region is cut into
_RINGS: Final = (3, 12, 48)  # blocks around a region that are looked at: further away if too few are visible
_ENOUGH: Final = 12  # visible blocks
_SOFTNESS: Final = 4.0  # squared blocks: how much alike near blocks count


def veil(plane: Plane, window: Span, hidden: Sequence[Span], parts: tuple[int, int]) -> Samples:
    """Colours for a grid of `parts` (columns, rows) over `window`, from samples outside every span of `hidden`.

    `hidden` must hold everything that is painted on this plane. If no block near by is visible, the
    colour is `NEUTRAL`. Shape (rows, columns) or (rows, columns, channels), in the plane's own type.
    """
    columns, rows = parts
    side = 2 ** max(1, int(math.log2(max(2.0, min(window.width, window.height) / _BLOCKS))))
    for ring in _RINGS:
        area = _blocks_around(plane, window, side, ring)
        visible = _visible(area, side, hidden)
        ys, xs = np.nonzero(visible)
        if len(ys) >= _ENOUGH:
            break
    if not len(ys):
        neutral = solid_grid(plane, NEUTRAL, 2, full_range=True)  # grey is in the middle in every range
        return np.broadcast_to(neutral, (rows, columns, *neutral.shape[2:])).copy()
    samples = Span(area.x0 * side, area.y0 * side, area.x1 * side, area.y1 * side).of(plane.array)
    # A whole number of samples each way: the average of a block depends on nothing outside it.
    blocks = np.asarray(cv2.resize(samples, (area.width, area.height), interpolation=cv2.INTER_AREA), samples.dtype)
    seen = blocks[ys, xs].astype(np.float64).reshape(len(ys), -1)
    at_x = (window.x0 + (np.arange(columns) + 0.5) * window.width / columns) / side - area.x0 - 0.5
    at_y = (window.y0 + (np.arange(rows) + 0.5) * window.height / rows) / side - area.y0 - 0.5
    apart = np.square(at_y[:, None, None] - ys) + np.square(at_x[None, :, None] - xs)
    weights = (apart + _SOFTNESS) ** -1.5
    values = weights @ seen / weights.sum(axis=2)[:, :, None]
    grid: Samples = np.rint(values).astype(plane.array.dtype)
    return grid if plane.array.ndim == 3 else np.ascontiguousarray(grid[:, :, 0])


def _blocks_around(plane: Plane, window: Span, side: int, ring: int) -> Span:
    """The blocks of `side` samples that the window touches, and `ring` more on every side; whole blocks only."""
    height, width = plane.array.shape[:2]
    x0, y0 = max(0, window.x0 // side - ring), max(0, window.y0 // side - ring)
    x1, y1 = min(width // side, -(-window.x1 // side) + ring), min(height // side, -(-window.y1 // side) + ring)
    return Span(x0, y0, max(x0, x1), max(y0, y1))


def _visible(area: Span, side: int, hidden: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """Which blocks of `area` (in blocks) have no sample in a hidden span, shape (rows, columns)."""
    visible = np.ones((area.height, area.width), np.bool_)
    for span in hidden:
        x0, x1 = span.x0 // side - area.x0, -(-span.x1 // side) - area.x0
        y0, y1 = span.y0 // side - area.y0, -(-span.y1 // side) - area.y0
        if x1 > 0 and y1 > 0 and x0 < area.width and y0 < area.height:
            visible[max(0, y0) : y1, max(0, x0) : x1] = False
    return visible
