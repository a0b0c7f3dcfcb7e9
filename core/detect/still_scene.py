"""Spares the detectors a picture in which nothing has changed since they found nothing in it, several times over.

A sample is compared in far finer detail than for choosing samples: in blocks that are smaller than any face that is
found. Whatever enters the picture changes blocks, and then everything is searched again.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from core.detect.detection import Detection
from core.detect.detector_thread import Sample, Scan
from core.pictures.planes import planes

BLOCK: Final = 8  # px a side
BLOCK_LEVEL, AREA_LEVEL = 5.0, 3.0  # grey levels (of 255) that noise may move the mean of a block, and of 2 x 2 blocks
SETTLE: Final = 3.5  # s of an unchanged picture until every size and every turned copy has been searched

_Blocks = npt.NDArray[np.float32]


class StillScene:
    """A detector pass that is left out while the picture stays as it is; one stream's.

    `look` is the whole pass. It is made for every sample until the picture has not changed for `SETTLE` seconds and
    nothing was found in all that time, and from then on once in `interval` seconds (0: for every sample).
    """

    def __init__(self, look: Scan, interval: float) -> None:
        self._look, self._interval = look, interval
        self._first: _Blocks | None = None  # the picture as it was when it was last seen to change
        self._since = self._looked = -math.inf
        self.spared = 0
        """Samples that were not searched."""

    def __call__(self, sample: Sample) -> list[Detection]:
        """All faces of the sample. Raises whatever the detectors raise."""
        if not self._interval:
            return self._look(sample)
        time = sample.moment.time
        blocks = _blocks(sample)
        same = blocks is not None and self._first is not None and not sample.scene_start and not sample.isolated
        if not (same and time >= self._looked and _is_same(blocks, self._first)):
            self._first, self._since = blocks, time
        elif time - self._since >= SETTLE and time - self._looked < self._interval - 1e-6:
            self.spared += 1
            return []
        first, self._first = self._first, None  # forgotten if looking fails
        found = self._look(sample)
        self._first = None if found else first
        self._looked = time
        return found


def _blocks(sample: Sample) -> _Blocks | None:
    """The mean luma of each block in levels of 255, shape (rows, columns); None without a plane of luma."""
    for plane in planes(sample.frame.video):
        rows, columns = plane.array.shape[0] // BLOCK, plane.array.shape[1] // BLOCK
        if plane.kind == "luma" and rows > 1 and columns > 1:
            whole = plane.array[: rows * BLOCK, : columns * BLOCK]
            means = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
            return np.asarray(means, np.float32) * np.float32(255 / plane.max_value)
    return None


def _is_same(now: _Blocks | None, before: _Blocks | None) -> bool:
    if now is None or before is None or now.shape != before.shape:
        return False
    change = now - before
    if np.abs(change).max() > BLOCK_LEVEL:
        return False
    areas = cv2.resize(change, (change.shape[1] // 2, change.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return bool(np.abs(areas).max() <= AREA_LEVEL)
