"""Keeps painted regions from jittering: they keep their place and size whenever possible."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

from core.geometry import Box

_SLACK: Final = 1.2
"""Maximum width and height of a painted region, relative to the wanted size."""

_ROOM: Final = 1.03
"""Minimum width and height of a new or changed region, relative to the wanted size: room to stay unchanged ..."""

_STEPS: Final = 24
"""... rounded up to one of the sizes that all regions share (this many per octave), so that each is drawn once."""


class Stabilizer:
    """The painted boxes of one stream's regions, by name. Each encloses the wanted box, its ellipse the wanted one.

    Detections vary by a few pixels from sample to sample, and regions grow and shrink in between. A region that keeps
    its size need not be redrawn, and one that stays in place costs next to nothing to encode.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Box] = {}
        self._used: dict[Hashable, Box] = {}

    def begin(self) -> None:
        """Start a frame; boxes that the previous frame did not use are dropped."""
        self._kept, self._used = self._used, {}

    def box(self, name: Hashable, wanted: Box) -> Box:
        """The box to paint for `wanted`: one that encloses it, the same as in the previous frame if that still does.

        For a region without a name (None), `wanted` itself.
        """
        if name is None:
            return wanted
        last = self._kept.get(name)
        if last is None:
            box = _around(wanted, _roomy(wanted.width), _roomy(wanted.height))
        else:
            width, height = _side(last.width, wanted.width), _side(last.height, wanted.height)
            stays = (width, height) == (last.width, last.height) and _reach(wanted, last) <= 1
            box = last if stays else _around(wanted, width, height)
        self._used[name] = box
        return box


def _side(last: float, wanted: float) -> float:
    return last if wanted <= last <= wanted * _SLACK else _roomy(wanted)


def _roomy(wanted: float) -> float:
    return float(2 ** (math.ceil(math.log2(wanted * _ROOM) * _STEPS) / _STEPS))


def _around(wanted: Box, width: float, height: float) -> Box:
    x, y = wanted.center
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _reach(inner: Box, outer: Box) -> float:
    """Upper bound on the scale at which the ellipse in `outer` contains the ellipse in `inner`."""
    (ix, iy), (ox, oy) = inner.center, outer.center
    away = math.hypot(2 * (ix - ox) / outer.width, 2 * (iy - oy) / outer.height)
    return away + max(inner.width / outer.width, inner.height / outer.height)
