"""Paints verdicts onto frames: the one place where masked frames come from."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2

from core.config import MaskConfig, ZoneConfig
from core.frame import Cover, Frame, Verdict
from core.geometry import Box
from core.masked_frame import SEAL, MaskedFrame
from core.picture import Plane, Samples, is_full_range, planes
from core.styles import AlphaCache, Placed, averages, blend, enlarged, softened, solid_grid
from core.zones import Zones

_HD_ROWS: Final = 720
"""A picture that does not name its colours is taken for BT.709 from this height on, as players do."""

_BT709, _UNSPECIFIED = 1, 2


class _Patch(NamedTuple):
    """One thing to paint on one plane, and the averages to paint it with."""

    target: Samples
    placed: Placed
    grid: Samples


class Masker:
    """Paints frames in place, on the planes they were decoded to. Not for several threads at once.

    Every region is reduced to a few averages of the raw picture before anything is painted, then patches are laid
    over each other from the smallest to the largest: inside a shape nothing of the raw picture stays, and where
    regions overlap the coarsest shows.
    """

    def __init__(self, config: MaskConfig, zones: Sequence[ZoneConfig] = ()) -> None:
        self._config = config
        self._zones = Zones(zones)
        self._alphas = AlphaCache(config.soft_edge, config.shape)
        self._smooth = config.style == "blur"

    def mask(self, frame: Frame, verdict: Verdict) -> MaskedFrame:
        """Cover the frame as the verdict says, in place, and all zones with it.

        A region that makes no sense (not finite, empty, absurdly far out) turns the verdict into BLANKET. Raises
        UnsupportedPictureError for a pixel format without plane views; whatever is raised, the frame is to be
        thrown away, for it may be half painted.
        """
        if verdict.cover is not Cover.BLANKET and not all(region.box.is_sound() for region in verdict.regions):
            verdict = dataclasses.replace(verdict, cover=Cover.BLANKET)
        if verdict.cover is Cover.BLANKET:
            self._blanket(frame)
        elif verdict.regions or self._zones:
            self._paint(frame, [region.box for region in verdict.regions])
        return MaskedFrame(frame, verdict, SEAL)

    def _blanket(self, frame: Frame) -> None:
        for plane in _writable_planes(frame):
            height, width = plane.array.shape[:2]
            grid = self._solid(frame, plane)
            if grid is None:
                grid = averages(plane.array, self._config.cells, self._config.cells)
            if self._smooth:
                (grid,) = softened([grid], plane.max_value)
            plane.array[...] = enlarged(grid, width, height, self._smooth)

    def _paint(self, frame: Frame, boxes: Sequence[Box]) -> None:
        video = frame.video
        coded = [frame.orientation.to_coded(box, video.width, video.height) for box in boxes]
        coded.sort(key=lambda box: box.area)
        views = _writable_planes(frame)
        zones = self._zones.patches(video.format.name, video.width, video.height, frame.orientation, views)
        patches: list[_Patch] = []
        placed: list[Placed | None] = []
        before: Plane | None = None
        for plane, in_plane in zip(views, zones, strict=True):
            if before is None or not _same_grid(plane, before):  # both chroma planes are cut alike
                fx, fy = 1 / (1 << plane.x_shift), 1 / (1 << plane.y_shift)
                placed = [self._alphas.place(plane, box.scaled(fx, fy)) for box in coded]
            before = plane
            solid = self._solid(frame, plane)
            patches += [self._patch(plane, place, solid) for place in (*placed, *in_plane) if place]
        grids = [patch.grid for patch in patches]
        if self._smooth:
            grids = softened(grids, views[0].max_value)
        # Only now that every average is taken may a sample change.
        for (target, (span, window, cover, _), _), grid in zip(patches, grids, strict=True):
            x0, y0, x1, y1 = window
            fill = enlarged(grid, x1 - x0, y1 - y0, self._smooth)
            if window is not span:
                fill = fill[span.y0 - y0 : span.y1 - y0, span.x0 - x0 : span.x1 - x0]
            blend(span.of(target), fill, cover)
        if self._config.outline:
            for box in coded:
                _draw_outline(views[0], box, self._config.shape == "ellipse")

    def _patch(self, plane: Plane, placed: Placed, solid: Samples | None) -> _Patch:
        if solid is not None:
            return _Patch(plane.array, placed, solid)
        # What is left of a region at the picture's edge gets its share of the averages, not all of them.
        across, down = placed.share
        columns, rows = math.ceil(self._config.cells * across), math.ceil(self._config.cells * down)
        return _Patch(plane.array, placed, averages(placed.window.of(plane.array), columns, rows))

    def _solid(self, frame: Frame, plane: Plane) -> Samples | None:
        """The configured colour as a grid, or None when the style shows averages."""
        if self._config.style != "solid":
            return None
        colorspace = frame.video.colorspace
        if colorspace == _UNSPECIFIED and frame.video.height >= _HD_ROWS:
            colorspace = _BT709
        return solid_grid(plane, self._config.color, colorspace, is_full_range(frame.video))


def _same_grid(a: Plane, b: Plane) -> bool:
    return a.array.shape == b.array.shape and a.array.dtype == b.array.dtype


def _writable_planes(frame: Frame) -> tuple[Plane, ...]:
    # The decoder may still predict other frames from this picture.
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
