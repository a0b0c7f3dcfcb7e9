"""How a region is filled and how its edge blends in. Works on single planes, in samples of that plane."""

from __future__ import annotations

import functools
import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from core.geometry import Box
from core.pictures.planes import Plane, Samples

Shape = Literal["ellipse", "box"]

_FINEST: Final = 3
"""Every average covers at least this many samples per side: the average of one sample is that sample."""

_LARGE_TILE: Final = 32
"""Tiles with at least this many samples per side are averaged from a picture of half the size."""

_WIDEST: Final = 8192
"""Shapes whose half-width or half-height exceeds this, in samples, are not cached."""

_BLUR_STEPS: Final = 4
"""Each average becomes this many cubic steps per side before linear enlargement, to avoid creases."""

_LUMA_WEIGHTS: Final = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""Luma weights of red and blue by AVCOL_SPC number: BT.709, BT.2020. Everything else is BT.601."""


@dataclass(frozen=True, slots=True)
class Span:
    """A rectangle of whole samples on one plane, `x1` and `y1` exclusive."""

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
        """A view of this rectangle in the plane's array."""
        return array[self.y0 : self.y1, self.x0 : self.x1]

    def widened(self, side: int, width: int, height: int) -> Span:
        """Widened to at least `side` samples in width and height, within a plane of `width` x `height`."""
        x0, x1 = _at_least(self.x0, self.x1, side, width)
        y0, y1 = _at_least(self.y0, self.y1, side, height)
        return Span(x0, y0, x1, y1)


def _at_least(low: int, high: int, side: int, limit: int) -> tuple[int, int]:
    side = min(side, limit)
    if high - low >= side:
        return low, high
    low = min(max(0, (low + high - side) // 2), limit - side)
    return low, low + side


def averages(samples: Samples, columns: int, rows: int) -> Samples:
    """The picture reduced to at most `columns` x `rows` averages, each over at least three samples per side."""
    height, width = samples.shape[:2]
    columns, rows = max(1, min(columns, width // _FINEST)), max(1, min(rows, height // _FINEST))
    # Halving reads row by row, which uses the caches much better than going tile by tile.
    while min(height // rows, width // columns) >= _LARGE_TILE:
        height, width = height // 2, width // 2
        samples = _reduced(samples[: 2 * height, : 2 * width], width, height)
    # Tiles of whole samples are ten times faster; the few samples past the last tile can be ignored.
    return _reduced(samples[: height - height % rows, : width - width % columns], columns, rows)


def _reduced(samples: Samples, width: int, height: int) -> Samples:
    return np.asarray(cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA), samples.dtype)


def enlarged(grid: Samples, out: Samples, smooth: bool) -> None:
    """Enlarge a grid of averages into `out`: smoothly or as flat tiles. Raises ValueError if it cannot be in place."""
    height, width = out.shape[:2]
    if smooth:
        rows, columns = grid.shape[:2]
        steps = min(columns * _BLUR_STEPS, width), min(rows * _BLUR_STEPS, height)
        soft = np.asarray(cv2.resize(grid, steps, interpolation=cv2.INTER_CUBIC), grid.dtype)
        if grid.dtype != np.uint8:  # cubic interpolation overshoots: ten-bit samples must stay in range
            soft = np.clip(soft, grid.min(), grid.max())
        drawn = cv2.resize(soft, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)
    else:
        drawn = cv2.resize(grid, (width, height), dst=out, interpolation=cv2.INTER_NEAREST)
    if drawn is not out:
        raise ValueError("cannot draw in place")


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
    # Sixteen bits are those of pictures: white and opaque are all ones.
    scale = plane.max_value / 255 if plane.max_value == 0xFFFF else 2.0**plane.depth_shift
    samples = [min(plane.max_value, max(0, round(values[channel] * scale))) for channel in plane.channels]
    shape = (1, 1) if len(samples) == 1 else (1, 1, len(samples))
    grid: Samples = np.array(samples, plane.array.dtype).reshape(shape)
    return grid


@dataclass(frozen=True, slots=True, eq=False)
class Alpha:
    """Coverage of each sample, 0 to 255, and 255 minus that; same shape and type as the plane's samples."""

    cover: Samples
    rest: Samples

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.cover.nbytes + self.rest.nbytes


def as_alpha(cover: npt.NDArray[np.uint8], plane: Plane) -> Alpha:
    """Coverage (0 to 255, shape (height, width)) converted to the plane's type and channels."""
    rest = np.asarray(cv2.bitwise_not(cover), np.uint8)
    pair: list[Samples] = []
    for values in (cover, rest):
        count = len(plane.channels)
        many: Samples = values if count == 1 else np.asarray(cv2.merge([values] * count), np.uint8)
        pair.append(np.ascontiguousarray(many, plane.array.dtype))
    return Alpha(*pair)


def blend(target: Samples, painted: Samples, alpha: Alpha, spare: Samples) -> None:
    """Blend `painted`, already multiplied by the alpha's cover, into `target` in place. Cover 255 leaves no raw sample.

    All arrays have the same shape and type. `spare` is working memory and gets overwritten. Raises ValueError if the
    target cannot be painted in place.
    """
    np.copyto(spare, target)  # the picture is no longer in the caches: copying loads it a third faster than arithmetic
    kept = cv2.multiply(spare, alpha.rest, dst=spare, scale=1 / 255)
    if cv2.add(painted, kept, dst=target) is not target:  # twice as fast as NumPy on non-contiguous rows
        raise ValueError("cannot paint in place")


def outside(offsets: npt.NDArray[np.generic], half: float) -> npt.NDArray[np.float32]:
    """Squared distance of samples from the centre along one axis of a shape, in units of the half-axis `half`.

    Reduced by one sample's width, so that samples that touch the shape count as inside.
    """
    beyond = np.maximum(np.abs(offsets.astype(np.float32)) - 1, 0)
    squared: npt.NDArray[np.float32] = np.square(beyond / np.float32(half))
    return squared


@functools.lru_cache(maxsize=1024)
def _outside_from_middle(count: int, half: float) -> npt.NDArray[np.float32]:
    distances = outside(np.arange(count), half)
    distances.setflags(write=False)
    return distances


def coverage(
    u: npt.NDArray[np.float32], v: npt.NDArray[np.float32], soft_edge: float, shape: Shape
) -> npt.NDArray[np.uint8]:
    """Coverage from the `outside` distances `u` along x and `v` along y; shape (len(v), len(u)).

    255 on every sample within one sample's width of the shape, falling to 0 outside over `soft_edge` times its width
    and height.
    """
    join = np.add if shape == "ellipse" else np.maximum
    away = join(v[:, None], u[None, :])
    rim = max((1 + 2 * soft_edge) ** 2 - 1, 1e-3)  # a hard edge is just a very steep one
    slope = 255 / rim
    return np.asarray(cv2.addWeighted(away, -slope, away, 0, 255 + slope, dtype=cv2.CV_8U), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A shape placed on a plane: the samples it touches, their coverage, and the visible fractions of width and height.

    Equal `shape` means equal alpha; None if unknown.
    """

    span: Span
    alpha: Alpha
    share: tuple[float, float]
    shape: Hashable = None


class AlphaCache:
    """Coverage of shapes, cached by size so that a face that keeps its size is not redrawn. Bounded in bytes."""

    def __init__(self, soft_edge: float, shape: Shape, budget: int = 32 << 20) -> None:
        self._soft_edge, self._shape, self._budget = soft_edge, shape, budget
        self._held: OrderedDict[tuple[float, float, int, int], Alpha] = OrderedDict()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._bytes

    def place(self, plane: Plane, box: Box) -> Placed | None:
        """Place the shape in `box` (in samples of the plane); None if it lies outside the plane."""
        height, width = plane.array.shape[:2]
        (x, y), rx, ry = box.center, _rounded_up(box.width / 2), _rounded_up(box.height / 2)
        reach = 1 + 2 * self._soft_edge
        nx, ny = math.ceil(rx * reach) + 1, math.ceil(ry * reach) + 1
        left, top = math.floor(x) - nx, math.floor(y) - ny
        span = Span(max(0, left), max(0, top), min(width, left + 2 * nx + 1), min(height, top + 2 * ny + 1))
        if span.width <= 0 or span.height <= 0:
            return None
        share = span.width / (2 * nx + 1), span.height / (2 * ny + 1)
        size = 2 * plane.array.itemsize * len(plane.channels) * (2 * nx + 1) * (2 * ny + 1)
        if size > self._budget // 4 or max(nx, ny) > _WIDEST:
            xs, ys = np.arange(span.x0, span.x1) + (0.5 - x), np.arange(span.y0, span.y1) + (0.5 - y)
            return Placed(span, as_alpha(self._draw(outside(xs, rx), outside(ys, ry)), plane), share)
        # A cached shape is centred on a sample: at most half a sample off, within the margin of `coverage`.
        whole = self._stored(plane, rx, ry, nx, ny)
        rows, columns = slice(span.y0 - top, span.y1 - top), slice(span.x0 - left, span.x1 - left)
        shape = (rx, ry, rows.start, rows.stop, columns.start, columns.stop)
        return Placed(span, Alpha(whole.cover[rows, columns], whole.rest[rows, columns]), share, shape)

    def _stored(self, plane: Plane, rx: float, ry: float, nx: int, ny: int) -> Alpha:
        key = (rx, ry, plane.array.itemsize, len(plane.channels))
        alpha = self._held.get(key)
        if alpha is not None:
            self._held.move_to_end(key)
            return alpha
        # Draw one quarter and mirror it.
        quarter = self._draw(_outside_from_middle(nx + 1, rx), _outside_from_middle(ny + 1, ry))
        whole = np.asarray(cv2.copyMakeBorder(quarter, ny, 0, nx, 0, cv2.BORDER_REFLECT_101), np.uint8)
        alpha = as_alpha(whole, plane)
        self._held[key] = alpha
        self._bytes += alpha.nbytes
        while self._bytes > self._budget:
            self._bytes -= self._held.popitem(last=False)[1].nbytes
        return alpha

    def _draw(self, u: npt.NDArray[np.float32], v: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        return coverage(u, v, self._soft_edge, self._shape)


def _rounded_up(half: float) -> float:
    """A half-axis rounded up by at most 1/32 (and to at least half a sample), so that similar sizes share a drawing."""
    half = max(half, 0.5)
    step = 2.0 ** (math.frexp(half)[1] - 6)
    # A millionth of tolerance: sizes exactly on a step have rounding errors and must not flip between two steps.
    return math.ceil(half / step - 1e-6) * step
