"""Keeps painted regions from trembling: where they may stay as they are, they do."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final

from core.geometry import Box

_SLACK: Final = 1.2
"""How many times the wanted width and height a painted region may have."""

_ROOM: Final = 1.03
"""How many times the wanted width or height it gets at least when it is new or that must change: room to stay ..."""

_STEPS: Final = 24
"""... and then the next of the sizes that all regions share, so many to every doubling: each is drawn only once."""


class Stabilizer:
    """The painted boxes of one stream's regions, by name, and around what is wanted: box in box, ellipse in ellipse.

    Detections waver by a few pixels from sample to sample, and regions grow and shrink between them. A region that
    keeps its size needs no new drawing, and one that stays where it is costs next to nothing to encode.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Box] = {}
        self._used: dict[Hashable, Box] = {}

    def begin(self) -> None:
        """A frame begins; what the frame before it did not use is forgotten."""
        self._kept, self._used = self._used, {}

    def box(self, name: Hashable, wanted: Box) -> Box:
        """What to paint where `wanted` must be: a box around it, the same as in the frame before if that will do.

        A region without a name (None) is painted as it is wanted.
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
    """How many times larger `outer` must be for the ellipse in it to hold that in `inner`: at most this, not more."""
    (ix, iy), (ox, oy) = inner.center, outer.center
    away = math.hypot(2 * (ix - ox) / outer.width, 2 * (iy - oy) / outer.height)
    return away + max(inner.width / outer.width, inner.height / outer.height)
