"""Estimates from the pictures how far apart they are in real time, because time stamps may be wrong."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.detect.cuts import Thumbnail

NOISE = 4  # grey levels; differences up to this are camera noise
MEMORY = 0.8  # decay of the running sums per picture
STILL = 0.05  # grey levels of mean change; below this there is nothing to measure


class Pace:
    """Compares a picture's difference from the previous one with its difference from the one before that.

    When pictures are close together in time, two steps change about twice as much as one. When they are so far apart
    that moving things are somewhere else each time, one step changes as much as two.
    """

    def __init__(self) -> None:
        self._earlier: list[npt.NDArray[np.int16]] = []
        self._one = self._two = 0.0

    def update(self, thumbnail: Thumbnail) -> float:
        """Recent ratio of one-step to two-step change: about 0.5 when pictures are dense, 1 when sparse.

        0 while nothing moves. The second picture counts as sparse if it differs from the first.
        """
        current = thumbnail.astype(np.int16)
        if self._earlier:
            self._one = MEMORY * self._one + _change(current, self._earlier[-1])
            self._two = MEMORY * self._two + _change(current, self._earlier[0])
        self._earlier = [*self._earlier[-1:], current]
        return min(1.0, self._one / self._two) if self._two > STILL else 0.0


def _change(a: npt.NDArray[np.int16], b: npt.NDArray[np.int16]) -> float:
    return float(np.maximum(np.abs(a - b) - NOISE, 0).mean())
