"""What a file's packets say of its pictures without decoding any: the ground for a plan."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from streamer.errors import InterruptedJobError
from streamer.media.input import open_input, pick_video
from streamer.media.picture_limit import PictureLimit
from streamer.media.timestamps import is_plausible

Ticks = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FileIndex:
    """The packets of a video track in decoding order: arrays of one length, times in ticks of `time_base`.

    `dts` is -2**63 where there is none. `shown` is False for what an edit list cuts away. `trouble` says in one line
    why times cannot be relied on; then the arrays may be incomplete.
    """

    time_base: Fraction
    codec: str
    pts: Ticks
    dts: Ticks
    sizes: Ticks
    keys: npt.NDArray[np.bool_]
    shown: npt.NDArray[np.bool_]
    trouble: str | None = None

    @property
    def shown_pts(self) -> Ticks:
        """The times of all pictures that are shown, in order."""
        return np.sort(self.pts[self.shown])


NO_DTS = -(2**63)


def read_index(path: Path, limit: PictureLimit, interrupt: threading.Event | None = None) -> FileIndex:
    """Read through the file once, without decoding. Raises InputError, and InterruptedJobError."""
    rows: list[tuple[int, int, int, bool, bool]] = []
    with open_input(path, limit) as container:
        video = pick_video(path, container, limit)
        base = video.time_base or Fraction(1, 90_000)
        codec = video.codec_context.codec.canonical_name
        trouble = None
        try:
            for packet in container.demux(video):
                if not packet.size:
                    continue
                if interrupt is not None and interrupt.is_set():
                    raise InterruptedJobError
                if packet.pts is None or not is_plausible(packet.pts, base):
                    trouble = "some pictures have no usable time stamp"
                elif packet.is_corrupt:
                    trouble = "some packets are damaged"
                if trouble is not None:
                    break
                dts = NO_DTS if packet.dts is None else packet.dts
                rows.append((packet.pts or 0, dts, packet.size, packet.is_keyframe, not packet.is_discard))
        except (FFmpegError, IndexError):
            trouble = "parts of it cannot be read"
    return _index(base, codec, rows, trouble)


def _index(
    base: Fraction, codec: str, rows: Sequence[tuple[int, int, int, bool, bool]], trouble: str | None
) -> FileIndex:
    table = np.array(rows, np.int64).reshape(len(rows), 5)
    pts, dts, sizes = (np.ascontiguousarray(table[:, column]) for column in range(3))
    keys, shown = table[:, 3].astype(bool), table[:, 4].astype(bool)
    return FileIndex(base, codec, pts, dts, sizes, keys, shown, trouble or _trouble(pts, dts, keys, shown))


def _trouble(pts: Ticks, dts: Ticks, keys: npt.NDArray[np.bool_], shown: npt.NDArray[np.bool_]) -> str | None:
    """What makes times unusable for cutting, in one line."""
    if not len(pts) or not shown.any():
        return "it has no pictures"
    if not keys[0]:
        return "it does not begin with a key frame"
    if len(np.unique(pts)) != len(pts):
        return "several pictures have the same time stamp"
    known = dts[dts != NO_DTS]
    if (np.diff(known) <= 0).any() or (np.diff(pts[keys]) <= 0).any():
        return "its time stamps run backwards"
    return None
