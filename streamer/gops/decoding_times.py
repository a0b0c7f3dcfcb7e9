"""Decoding times for packets that come from several encoders. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ticks = npt.NDArray[np.int64]


def decoding_times(pts: Sequence[int] | Ticks) -> tuple[Ticks, int]:
    """The dts of packets whose pts are given in decoding order, and the delay in pictures that they imply.

    Packet number k is decoded when picture k - delay (in order of presentation) is shown; before the first picture the
    distance of the first two goes on. The delay is the smallest for which no dts is later than its pts. All are ticks.
    Raises ValueError if two pictures share a pts.
    """
    given = np.asarray(pts, np.int64)
    count = len(given)
    if not count:
        return given, 0
    order = np.argsort(given, kind="stable")
    shown = given[order]
    if count > 1 and not np.all(np.diff(shown) > 0):
        raise ValueError("two pictures share a time stamp")
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    delay = int(np.max(np.arange(count) - rank))
    step = int(shown[1] - shown[0]) if count > 1 else 1
    before = shown[0] - step * np.arange(delay, 0, -1)
    return np.concatenate([before, shown[: count - delay]]), delay
