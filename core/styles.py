"""What a region is filled with and how its edge blends in; works on single planes, in samples of that plane."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from core.geometry import Box
from core.picture import Plane, Samples

Shape = Literal["ellipse", "box"]

_FINEST: Final = 3
"""An average always covers at least this many samples a side: an average of one sample is that sample."""

_SAMPLED: Final = 6
"""Averages are taken over at least this many samples a side, also where only a corner is to be painted."""

_LARGE_TILE: Final = 12
"""Tiles of at least this many samples a side are averaged from a picture of half the size."""

_BLUR_STEPS: Final = 4
"""Each average becomes this many cubic steps a side before the linear enlargement: no creases."""

_LUMA_WEIGHTS: Final = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""Weights of red and blue in luma by AVCOL_SPC number: BT.709, BT.2020; everything else is BT.601."""


class Span(NamedTuple):
    """A rectangle of whole samples of one plane, `x1` and `y1` excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Width in samples."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Height in samples."""
        return self.y1 - self.y0

    def of(self, array: Samples) -> Samples:
        """The view of this rectangle in a plane's array."""
        return array[self.y0 : self.y1, self.x0 : self.x1]

    def widened(self, width: int, height: int) -> Span:
        """At least `_SAMPLED` samples wide and tall, inside a plane of `width` x `height` (as far as that allows)."""
        x0, y0, x1, y1 = self
        if x1 - x0 >= _SAMPLED and y1 - y0 >= _SAMPLED:
            return self
        x0, x1 = _at_least(x0, x1, _SAMPLED, width)
        y0, y1 = _at_least(y0, y1, _SAMPLED, height)
        return Span(x0, y0, x1, y1)


def _at_least(low: int, high: int, side: int, limit: int) -> tuple[int, int]:
    side = min(side, limit)
    if high - low >= side:
        return low, high
    low = min(max(0, (low + high - side) // 2), limit - side)
    return low, low + side


def averages(samples: Samples, columns: int, rows: int) -> Samples:
    """The picture reduced to at most `columns` x `rows` averages, each over three samples a side or more."""
    height, width = samples.shape[:2]
    columns, rows = max(1, min(columns, width // _FINEST)), max(1, min(rows, height // _FINEST))
    # Tiles of whole samples are ten times faster; the few samples past the last tile need not be counted.
    wide, tall = width // columns, height // rows
    if min(wide, tall) >= _LARGE_TILE:
        # Halving reads whole rows, which is far kinder to memory than going from tile to tile.
        wide, tall = wide // 2, tall // 2
        whole = samples[: tall * rows * 2, : wide * columns * 2]
        samples = np.asarray(
            cv2.resize(whole, (wide * columns, tall * rows), interpolation=cv2.INTER_AREA), samples.dtype
        )
    whole = samples[: tall * rows, : wide * columns]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), samples.dtype)


def softened(grids: Sequence[Samples], max_value: int) -> list[Samples]:
    """Grids of averages, of any shapes, each drawn out to `_BLUR_STEPS` times its size by cubic interpolation."""
    soft = list(grids)
    alike: dict[tuple[int, ...], list[int]] = {}
    for i, grid in enumerate(grids):
        alike.setdefault(grid.shape, []).append(i)
    for (rows, columns, *channels), members in alike.items():
        # All of one shape in one product: a call for each would cost more than the work itself.
        flat = np.array([grids[i] for i in members]).reshape(len(members), rows * columns, -1).swapaxes(1, 2)
        drawn = np.rint(flat @ _cubic(rows, columns)).clip(0, max_value).swapaxes(1, 2)
        shape = len(members), rows * _BLUR_STEPS, columns * _BLUR_STEPS, *channels
        whole = drawn.reshape(shape).astype(grids[members[0]].dtype)
        for i, one in zip(members, whole, strict=True):
            soft[i] = one
    return soft


@cache
def _cubic(rows: int, columns: int) -> npt.NDArray[np.float64]:
    """What each average weighs in each step: (averages, steps). Binary fractions, so that sums are exact."""
    down, across = (
        cv2.resize(np.eye(count), (count, count * _BLUR_STEPS), interpolation=cv2.INTER_CUBIC)
        for count in (rows, columns)
    )
    return np.ascontiguousarray(np.kron(down, across).T)


def enlarged(grid: Samples, width: int, height: int, smooth: bool) -> Samples:
    """A grid drawn out to `width` x `height`: linearly, or as flat tiles."""
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(grid, (width, height), interpolation=how), grid.dtype)


def solid_grid(plane: Plane, color: tuple[int, int, int], colorspace: int, full_range: bool) -> Samples:
    """A 1 x 1 grid of the colour `(red, green, blue)`, 0 to 255 each, in the plane's own samples.

    `colorspace` is FFmpeg's AVCOL_SPC number of the picture.
    """
    red, green, blue = (value / 255 for value in color)
    of_red, of_blue = _LUMA_WEIGHTS.get(colorspace, (0.299, 0.114))
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    u, v = (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)
    base, luma_range, chroma_range = (0, 255, 255) if full_range else (16, 219, 224)
    values = {
        "y": base + luma_range * luma,
        "u": 128 + chroma_range * u,
        "v": 128 + chroma_range * v,
        "r": 255 * red,
        "g": 255 * green,
        "b": 255 * blue,
    }
    scale = 2.0**plane.depth_shift
    samples = [min(plane.max_value, max(0, round(values[channel] * scale))) for channel in plane.channels]
    shape = (1, 1) if len(samples) == 1 else (1, 1, len(samples))
    grid: Samples = np.array(samples, plane.array.dtype).reshape(shape)
    return grid


def fitted(cover: npt.NDArray[np.uint8], plane: Plane) -> Samples:
    """Coverage of 0 to 255, shape (height, width), as the plane has its samples: depth and number of channels."""
    count = len(plane.channels)
    many = cover if count == 1 else cv2.merge([cover] * count)
    return np.ascontiguousarray(many, plane.array.dtype)


def blend(target: Samples, fill: Samples, cover: Samples) -> None:
    """Paint `fill` over `target` in place, using `fill` up; where `cover` is 255 nothing of the target stays.

    All of one shape and type, the coverage from 0 to 255.
    """
    hidden = cv2.multiply(target, cover, scale=1 / 255)
    kept = cv2.subtract(target, hidden, dst=hidden)
    painted = cv2.multiply(fill, cover, dst=fill, scale=1 / 255)
    # Into the view itself: cv2 may put its result elsewhere without a word.
    if cv2.add(kept, painted, dst=target) is not target:
        raise ValueError("cannot paint in place")


def coverage(
    dx: npt.NDArray[np.float32], dy: npt.NDArray[np.float32], rx: float, ry: float, soft_edge: float, shape: Shape
) -> npt.NDArray[np.uint8]:
    """Coverage of samples at `dx`, `dy` from the middle of a shape with half-axes `rx`, `ry`: (len(dy), len(dx)).

    255 on every sample that comes within one sample's width of the shape, falling to 0 outside it over `soft_edge`
    times its width and height.
    """
    u = np.square(np.maximum(np.abs(dx) - 1, 0) / np.float32(rx))
    v = np.square(np.maximum(np.abs(dy) - 1, 0) / np.float32(ry))
    join = np.add if shape == "ellipse" else np.maximum
    outside = join(v[:, None], u[None, :])
    rim = max((1 + 2 * soft_edge) ** 2 - 1, 1e-3)  # a hard edge is a very steep one
    slope = 255 / rim
    return np.asarray(cv2.addWeighted(outside, -slope, outside, 0, 255 + slope, dtype=cv2.CV_8U), np.uint8)


class Placed(NamedTuple):
    """A shape on a plane: the samples it touches, how far each is covered, and what share of its width and height.

    `window` is the part of the plane to average: `span`, or a little more where that has only a few samples.
    """

    span: Span
    window: Span
    cover: Samples
    share: tuple[float, float]


class AlphaCache:
    """Coverage of shapes by size, so that a face that keeps its size is not drawn anew: bounded in bytes."""

    def __init__(self, soft_edge: float, shape: Shape, budget: int = 32 << 20) -> None:
        self._soft_edge, self._shape, self._budget = soft_edge, shape, budget
        self._held: OrderedDict[tuple[int, int, int, int], Samples] = OrderedDict()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._bytes

    def place(self, plane: Plane, box: Box) -> Placed | None:
        """Where the shape in `box`, in samples of the plane, is painted and what it covers; None when off the plane."""
        height, width = plane.array.shape[:2]
        x, y = box.center
        rx, ry = _rounded_up(box.width / 2), _rounded_up(box.height / 2)
        reach = 1 + 2 * self._soft_edge
        nx, ny = math.ceil(rx * reach) + 1, math.ceil(ry * reach) + 1
        columns, rows = 2 * nx + 1, 2 * ny + 1
        left, top = math.floor(x) - nx, math.floor(y) - ny
        x0, y0, x1, y1 = span = Span(max(0, left), max(0, top), min(width, left + columns), min(height, top + rows))
        if x1 <= x0 or y1 <= y0:
            return None
        if plane.array.itemsize * len(plane.channels) * columns * rows > self._budget // 4:
            xs, ys = np.arange(x0, x1) + (0.5 - x), np.arange(y0, y1) + (0.5 - y)
            cover = fitted(self._draw(xs, ys, rx, ry), plane)
        else:
            # A stored shape's middle is the middle of a sample: half a sample off at most, within `coverage`'s margin.
            cover = self._stored(plane, rx, ry, nx, ny)[y0 - top : y1 - top, x0 - left : x1 - left]
        return Placed(span, span.widened(width, height), cover, ((x1 - x0) / columns, (y1 - y0) / rows))

    def _stored(self, plane: Plane, rx: int, ry: int, nx: int, ny: int) -> Samples:
        key = (rx, ry, plane.array.itemsize, len(plane.channels))
        cover = self._held.get(key)
        if cover is not None:
            self._held.move_to_end(key)
            return cover
        # One quarter is drawn, the others are its mirror images.
        quarter = self._draw(np.arange(nx + 1), np.arange(ny + 1), rx, ry)
        whole = np.asarray(cv2.copyMakeBorder(quarter, ny, 0, nx, 0, cv2.BORDER_REFLECT_101), np.uint8)
        cover = fitted(whole, plane)
        self._held[key] = cover
        self._bytes += cover.nbytes
        while self._bytes > self._budget:
            self._bytes -= self._held.popitem(last=False)[1].nbytes
        return cover

    def _draw(
        self, dx: npt.NDArray[np.generic], dy: npt.NDArray[np.generic], rx: float, ry: float
    ) -> npt.NDArray[np.uint8]:
        return coverage(dx.astype(np.float32), dy.astype(np.float32), rx, ry, self._soft_edge, self._shape)


def _rounded_up(half: float) -> int:
    """A half-axis grown by at most 1/16 of itself (or to the next sample), so that near sizes share a drawing."""
    step = 1 << max(0, int(half).bit_length() - 5)
    return max(1, math.ceil(half / step) * step)
