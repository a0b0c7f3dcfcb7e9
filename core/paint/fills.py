"""What regions are filled with: a few averages, kept for a while instead of being recomputed for every frame.

Averages that follow the picture frame by frame reveal more of a face than those of one instant (detail can be
reconstructed from several frames of a moving mosaic), and every small change costs bits in the encoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from core.paint.styles import Placed, Span, enlarged
from core.pictures.planes import Samples
from core.pictures.scratch import Scratch

_BUDGET: Final = 32 << 20
"""Maximum bytes of drawn fills that are kept from frame to frame."""


@dataclass(slots=True, eq=False)
class Fill:
    """The averages of one region on one plane, computed at time `taken` (seconds), and their last drawing.

    `parts` is the requested number of columns and rows.
    """

    grid: Samples
    parts: tuple[int, int]
    taken: float
    drawn: Samples | None = None
    drawn_as: Hashable = None
    memory: Scratch = field(default_factory=Scratch)


class Fills:
    """The fills of one stream's regions, by name.

    Averages are recomputed after `refresh` seconds; 0 means for every frame. `smooth` draws them smoothly instead of as
    tiles.
    """

    def __init__(self, refresh: float, smooth: bool, budget: int = _BUDGET) -> None:
        self._refresh, self._smooth, self._budget = refresh, smooth, budget
        self._kept: dict[Hashable, Fill] = {}
        self._used: dict[Hashable, Fill] = {}
        self._time = 0.0
        self._bytes = 0
        self._shared = Scratch()

    def begin(self, time: float) -> None:
        """Start the frame at `time` (seconds); fills that the previous frame did not use are dropped."""
        self._kept, self._used, self._time, self._bytes = self._used, {}, time, 0

    def get(self, name: Hashable, parts: tuple[int, int], take: Callable[[], Samples]) -> Fill:
        """The fill of the region with this name; None stands for a region without a name, which is not kept.

        A name identifies one region on one plane of one pixel format. `take` computes averages of this frame; it is
        called if there are none yet, if they are too old, or if they were made for other `parts`.
        """
        fill = None if name is None else self._kept.get(name)
        if fill is None or fill.parts != parts or not 0 <= self._time - fill.taken < self._refresh:
            fill = Fill(take(), parts, self._time)
        if name is not None:
            self._used[name] = fill
        return fill

    def painted(self, fill: Fill, placed: Placed, window: Span) -> Samples:
        """The fill drawn over `window` and multiplied by the shape's coverage, ready to be added to the rest.

        Has the shape of the placed span; valid until the next call.
        """
        span, cover = placed.span, placed.alpha.cover
        top, left = span.y0 - window.y0, span.x0 - window.x0
        shape = (window.height, window.width, *cover.shape[2:])
        self._bytes += math.prod(shape) * cover.itemsize
        drawn_as = None if placed.shape is None else (placed.shape, shape, top, left)
        if fill.drawn is not None and drawn_as is not None and drawn_as == fill.drawn_as:
            return fill.drawn
        # Cleared until drawing is complete: a half-drawn fill must never be reused.
        fill.drawn = fill.drawn_as = None
        keep = drawn_as is not None and self._bytes <= self._budget
        if not keep:
            fill.memory = Scratch()
        whole = (fill.memory if keep else self._shared).array(shape, fill.grid.dtype)
        enlarged(fill.grid, whole, self._smooth)
        part = whole[top : top + span.height, left : left + span.width]
        np.copyto(part, cv2.multiply(part, cover, scale=1 / 255))
        if keep:
            fill.drawn, fill.drawn_as = part, drawn_as
        return part
