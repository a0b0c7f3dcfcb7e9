"""Paints verdicts onto frames: the only place that creates masked frames."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2

from core.config import MaskConfig, ZoneConfig
from core.frame import Cover, Frame, Region, Verdict
from core.geometry import Box
from core.masked_frame import SEAL, MaskedFrame
from core.paint.fills import Fill, Fills
from core.paint.stabilizer import Stabilizer
from core.paint.styles import AlphaCache, Placed, Span, averages, blend, enlarged, solid_grid
from core.paint.veil import NEUTRAL, NODES, veil
from core.paint.zones import Zones
from core.pictures.planes import Plane, Samples, is_full_range, planes
from core.pictures.scratch import Scratch

_SAMPLED: Final = 6
"""Averages are taken over at least this many samples per side, even if only a corner is painted."""

_SLIGHT: Final = 4
"""Grey levels, of 256, by which what is around a veil may change before the veil does: noise costs bits, too."""

_HD_ROWS: Final = 720
"""A picture without a colour space is assumed to be BT.709 from this height on, as players do."""

_BT709, _UNSPECIFIED = 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """One thing to paint on one plane: `fill` is drawn over `window`, and the part that `placed` covers is painted."""

    target: Samples
    placed: Placed
    window: Span
    fill: Fill


class Masker:
    """Paints frames in place, on their decoded planes. Not thread-safe.

    First, the few colours of every region are computed from the raw picture. Then the patches are painted from the
    smallest to the largest: inside a shape nothing of the raw picture remains, and where regions overlap the coarsest
    one shows.
    """

    def __init__(self, config: MaskConfig, zones: Sequence[ZoneConfig] = ()) -> None:
        self._config = config
        self._veiled = config.style == "veil"
        self._smooth = config.style in ("veil", "blur")
        self._zones = Zones(zones)
        self._alphas = AlphaCache(config.soft_edge, config.shape)
        self._fills = Fills(config.refresh, self._smooth, gradual=self._veiled)
        self._stabilizer = Stabilizer()
        self._spare = Scratch()

    def mask(self, frame: Frame, verdict: Verdict) -> MaskedFrame:
        """Paint the verdict and all zones onto the frame, in place.

        An invalid region (not finite, empty, absurdly far out) turns the verdict into BLANKET. Raises
        UnsupportedPictureError for a pixel format without plane views. After any exception the frame must be thrown
        away, because it may be half painted.
        """
        if verdict.cover is not Cover.BLANKET and not all(region.box.is_valid() for region in verdict.regions):
            verdict = Verdict(Cover.BLANKET, (), verdict.mask_age)
        self._stabilizer.begin()
        self._fills.begin(frame.time)
        if verdict.cover is Cover.BLANKET:
            self._blanket(frame)
        elif verdict.regions or self._zones:
            self._paint(frame, verdict.regions)
        return MaskedFrame(frame, verdict, SEAL)

    def _blanket(self, frame: Frame) -> None:
        for plane in _writable_planes(frame):
            grid = self._solid(frame, plane)
            if self._veiled:
                grid = solid_grid(plane, NEUTRAL, _UNSPECIFIED, full_range=True)
            elif grid is None:
                grid = averages(plane.array, self._config.cells, self._config.cells)
            enlarged(grid, plane.array, self._smooth)

    def _paint(self, frame: Frame, regions: Sequence[Region]) -> None:
        video = frame.video
        named = []
        for region, name in zip(regions, _names(regions), strict=True):
            wanted = frame.orientation.to_coded(region.box, video.width, video.height)
            named.append((self._stabilizer.box(name, wanted), name))
        named.sort(key=lambda pair: pair[0].area)
        views = _writable_planes(frame)
        zones = self._zones.patches(video.format.name, video.width, video.height, frame.orientation, views)
        patches: list[_Patch] = []
        placed: list[tuple[Placed | None, Hashable]] = []
        before: Plane | None = None
        for index, (plane, in_plane) in enumerate(zip(views, zones, strict=True)):
            if before is None or not _same_grid(plane, before):  # both chroma planes share one geometry
                fx, fy = 1 / (1 << plane.x_shift), 1 / (1 << plane.y_shift)
                placed = [(self._alphas.place(plane, box.scaled(fx, fy)), name) for box, name in named]
                placed += [(zone, ("zone", number)) for number, zone in enumerate(in_plane)]
            before = plane
            hidden = [place.span for place, _ in placed if place]  # whole spans: their corners and soft edges, too
            solid = self._solid(frame, plane)
            patches += [
                self._patch(plane, place, hidden, solid, name and (video.format.name, index, name))
                for place, name in placed
                if place
            ]
        # All colours have been taken; only now may samples change.
        for patch in patches:
            placed_here, target = patch.placed, patch.placed.span.of(patch.target)
            painted = self._fills.painted(patch.fill, placed_here, patch.window)
            blend(target, painted, placed_here.alpha, self._spare.array(target.shape, target.dtype))
        if self._config.outline:
            for box, _ in named:
                _draw_outline(views[0], box, self._config.shape == "ellipse")

    def _patch(
        self, plane: Plane, placed: Placed, hidden: Sequence[Span], solid: Samples | None, name: Hashable
    ) -> _Patch:
        height, width = plane.array.shape[:2]
        window = placed.span.widened(_SAMPLED, width, height)
        # A region cut by the picture's edge gets a proportional number of averages.
        parts = tuple(math.ceil(self._config.cells * part) for part in placed.share)
        columns, rows = (NODES, NODES) if self._veiled else parts

        def take() -> Samples:
            if solid is not None:
                return solid
            if self._veiled:
                return veil(plane, window, hidden, (columns, rows))
            return averages(window.of(plane.array), columns, rows)

        fill = self._fills.get(name, (columns, rows), take, _SLIGHT << plane.depth_shift)
        return _Patch(plane.array, placed, window, fill)

    def _solid(self, frame: Frame, plane: Plane) -> Samples | None:
        """The configured colour as a grid, or None if the style shows averages."""
        if self._config.style != "solid":
            return None
        colorspace = frame.video.colorspace
        if colorspace == _UNSPECIFIED and frame.video.height >= _HD_ROWS:
            colorspace = _BT709
        return solid_grid(plane, self._config.color, colorspace, is_full_range(frame.video))


def _names(regions: Sequence[Region]) -> list[Hashable]:
    """Names that identify the regions of a frame and match them to the next frame; None for regions without a track."""
    count: Counter[int] = Counter()
    names: list[Hashable] = []
    for region in regions:
        names.append((region.track, count[region.track]) if region.track >= 0 else None)
        count[region.track] += 1
    return names


def _same_grid(a: Plane, b: Plane) -> bool:
    return a.array.shape == b.array.shape and a.array.dtype == b.array.dtype


def _writable_planes(frame: Frame) -> tuple[Plane, ...]:
    # The decoder may still use this picture as a reference.
    frame.video.make_writable()
    return planes(frame.video)


def _draw_outline(plane: Plane, box: Box, ellipse: bool) -> None:
    thickness = max(1, round(plane.array.shape[0] / 540))
    color = [plane.max_value] * len(plane.channels)
    x0, y0, x1, y1 = (round(value) for value in (box.x0, box.y0, box.x1, box.y1))
    if ellipse:
        middle, axes = ((x0 + x1) // 2, (y0 + y1) // 2), ((x1 - x0) // 2, (y1 - y0) // 2)
        cv2.ellipse(plane.array, middle, axes, 0, 0, 360, color, thickness)
    else:
        cv2.rectangle(plane.array, (x0, y0), (x1, y1), color, thickness)
