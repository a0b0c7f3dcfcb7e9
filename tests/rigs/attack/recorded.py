"""The frame rate of the service's own recordings while they are being written."""

from __future__ import annotations

from pathlib import Path

import av
from av.error import FFmpegError


def recorded_rate(folder: Path, begin: float, end: float) -> float:
    """Pictures a second over the segments that were closed from `begin` to `end` (`time.time()`); 0 where none were.

    A segment lasts from when the one before it was closed until it is closed itself.
    """
    paths = sorted(folder.glob("*/*.mp4"))
    closed = sorted((path.stat().st_mtime, path) for path in paths)[:-1]  # the newest one is still being written
    inside = [index for index in range(1, len(closed)) if closed[index - 1][0] >= begin and closed[index][0] <= end]
    if not inside:
        return 0.0
    seconds = closed[inside[-1]][0] - closed[inside[0] - 1][0]
    # What was not recorded at the beginning and at the end of that time is missing, too.
    return sum(_pictures(closed[index][1]) for index in inside) / max(seconds, 0.1)


def _pictures(path: Path) -> int:
    try:
        with av.open(str(path)) as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except FFmpegError:
        return 0
