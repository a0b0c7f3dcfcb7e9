"""What regions are filled with: a few colours, kept for a while instead of being recomputed for every frame.

Averages that follow the picture frame by frame reveal more of a face than those of one instant (detail can be
reconstructed from several frames of a moving mosaic), and every small change costs bits in the encoder. Colours that
reveal nothing change in small steps: a fill that jumps draws the eye.
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

_RAMP: Final = 0.25
"""Share of `refresh` in which a gradual fill goes from old to new colours ..."""

_STEPS: Final = 3
"""... in this many steps: more of them cost more bits, and fewer can be seen."""


@dataclass(slots=True, eq=False)
class Fill:
    """The colours of one region on one plane, computed at time `taken` (seconds), and their last drawing.

    `parts` is the requested number of columns and rows. A gradual fill is on its way from `start` to `goal`.
    """

    grid: Samples
    parts: tuple[int, int]
    taken: float
    start: Samples | None = None
    goal: Samples | None = None
    drawn: Samples | None = None
    drawn_as: Hashable = None
    memory: Scratch = field(default_factory=Scratch)


class Fills:
    """The fills of one stream's regions, by name.

    Colours are recomputed after `refresh` seconds; 0 means for every frame. `smooth` draws them smoothly instead of as
    tiles. `gradual` goes from old to new colours in a few steps.
    """

    def __init__(self, refresh: float, smooth: bool, budget: int = _BUDGET, *, gradual: bool = False) -> None:
        self._gradual = gradual and refresh > 0
        self._refresh = refresh
        self._longest = 2 * refresh if self._gradual else refresh  # frames further apart: nothing to follow
        self._smooth, self._budget = smooth, budget
        self._kept: dict[Hashable, Fill] = {}
        self._used: dict[Hashable, Fill] = {}
        self._time = 0.0
        self._bytes = 0
        self._shared = Scratch()

    def begin(self, time: float) -> None:
        """Start the frame at `time` (seconds); fills that the previous frame did not use are dropped."""
        self._kept, self._used, self._time, self._bytes = self._used, {}, time, 0

    def get(self, name: Hashable, parts: tuple[int, int], take: Callable[[], Samples], slight: int = 0) -> Fill:
        """The fill of the region with this name; None stands for a region without a name, which is not kept.

        A name identifies one region on one plane of one pixel format. `take` computes colours of this frame; it is
        called if there are none yet, if they are too old, or if they were made for other `parts`. A gradual fill stays
        as it is if no colour has changed by more than `slight`.
        """
        fill = None if name is None else self._kept.get(name)
        age = 0.0 if fill is None else self._time - fill.taken
        if fill is None or fill.parts != parts or not 0 <= age < self._longest:
            fill = Fill(take(), parts, self._time)
        elif self._gradual:
            self._move(fill, age / (_RAMP * self._refresh))
            if age >= self._refresh:
                goal, fill.taken = take(), self._time
                changed = np.abs(goal.astype(np.int32) - fill.grid).max() > slight
                fill.start, fill.goal = (fill.grid, goal) if changed else (None, None)
        if name is not None:
            self._used[name] = fill
        return fill

    @staticmethod
    def _move(fill: Fill, part: float) -> None:
        """Show this part (1 or more: all) of the way to the goal; what was drawn is kept if nothing changes."""
        if fill.start is None or fill.goal is None:
            return
        part = math.ceil(min(part, 1.0) * _STEPS) / _STEPS
        there = fill.start + (fill.goal.astype(np.float64) - fill.start) * part
        grid: Samples = np.rint(there).astype(fill.grid.dtype)
        if (grid != fill.grid).any():
            fill.grid, fill.drawn, fill.drawn_as = grid, None, None

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
