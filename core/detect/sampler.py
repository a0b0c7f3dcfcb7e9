"""Decides which frames become samples for the detector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.config import SampleConfig
from core.detect.cuts import Thumbnail


class Sampler:
    """Samples at a rate that follows motion, normally between `min_interval` and `max_interval` seconds.

    Between the two, a frame is sampled as soon as enough of its thumbnail differs from that of the last sample. Time
    stamps can be wrong, so the pictures have the last word: if most of the picture has changed, or if moving pictures
    are far apart (`sparse`), the frame is sampled whatever the interval.
    """

    def __init__(self, config: SampleConfig) -> None:
        self._config = config
        self._last: npt.NDArray[np.int16] | None = None
        self._last_time = 0.0

    def wants(self, time: float, thumbnail: Thumbnail, *, forced: bool = False, sparse: bool = False) -> bool:
        """Whether to sample the frame at `time` (seconds). `forced`: yes in any case, as at the start of a scene.

        `sparse`: pictures are so far apart in time that moving things are somewhere else in each.
        """
        current = thumbnail.astype(np.int16)
        since = time - self._last_time
        due = forced or self._last is None or not 0 <= since < self._config.max_interval - 1e-6
        if not due and self._last is not None:
            changed = float((np.abs(current - self._last) > self._config.change_level).mean())
            moved = changed >= self._config.change_share
            due = changed > self._config.forced_change_share or (
                moved and (sparse or since >= self._config.min_interval - 1e-6)
            )
        if due:
            self._last, self._last_time = current, time
        return due
