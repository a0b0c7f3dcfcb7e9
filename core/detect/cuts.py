"""Scene cut detection on luma thumbnails."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Thumbnail = npt.NDArray[np.uint8]
"""Luma of shape (36, 64), uint8."""


class CutDetector:
    """Decides for each thumbnail in turn whether it starts a new scene.

    A cut is a large, sudden change: the mean absolute difference exceeds `min_change` grey levels and `ratio` times its
    running mean, and the correlation of the two pictures is below `max_correlation`. A false cut costs two samples; a
    missed one is covered by back-fill and hold.
    """

    def __init__(self, min_change: float = 10.0, ratio: float = 3.0, max_correlation: float = 0.75) -> None:
        self._min_change, self._ratio, self._max_correlation = min_change, ratio, max_correlation
        self._previous: npt.NDArray[np.float32] | None = None
        self._usual = 0.0

    def update(self, thumbnail: Thumbnail) -> bool:
        """Whether `thumbnail` starts a new scene; the very first one always does."""
        current = thumbnail.astype(np.float32)
        previous, self._previous = self._previous, current
        if previous is None:
            return True
        change = float(np.abs(current - previous).mean())
        usual, self._usual = self._usual, 0.8 * self._usual + 0.2 * min(change, 2 * self._min_change)
        if change < self._min_change or change < self._ratio * usual:
            return False
        a, b = current - current.mean(), previous - previous.mean()
        spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
        return spread < 1e-3 or float((a * b).sum()) / spread < self._max_correlation
