"""How far apart in real time the pictures of a stream are, judged by the pictures: time stamps may say anything."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.detect.cuts import Thumbnail

NOISE = 4  # grey levels: differences up to this are the camera's noise
MEMORY = 0.8  # what the past weighs at each picture
STILL = 0.05  # grey levels of mean change; below it there is nothing to judge by


class Pace:
    """Compares how much a picture differs from the one before it with how much it differs from the one before that.

    Where pictures follow each other closely, two steps change about twice as much as one. Where so much time lies
    between them that whatever moves is somewhere else each time, one step changes as much as two.
    """

    def __init__(self) -> None:
        self._earlier: list[npt.NDArray[np.int16]] = []
        self._one = self._two = 0.0

    def update(self, thumbnail: Thumbnail) -> float:
        """The change of one step as a share of the change of two, lately: about 0.5 when dense, 1 when sparse.

        0 while nothing moves. Of the second picture nothing is known yet: if it differs from the first, it is sparse.
        """
        current = thumbnail.astype(np.int16)
        if self._earlier:
            self._one = MEMORY * self._one + _change(current, self._earlier[-1])
            self._two = MEMORY * self._two + _change(current, self._earlier[0])
        self._earlier = [*self._earlier[-1:], current]
        return min(1.0, self._one / self._two) if self._two > STILL else 0.0


def _change(a: npt.NDArray[np.int16], b: npt.NDArray[np.int16]) -> float:
    return float(np.maximum(np.abs(a - b) - NOISE, 0).mean())
