"""Watch a masked stream, as your own program would: pictures as arrays, and a new connection when it breaks.

veilcast live rtsp://user:pass@camera/stream1 --rtsp 8554/door     # in one terminal
python examples/watch_rtsp.py rtsp://127.0.0.1:8554/door last.png  # in another
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

Picture = npt.NDArray[np.uint8]
RETRY = 1.0
"""Seconds between two tries to connect."""


def pictures(url: str) -> Iterator[Picture]:
    """Every picture of the stream, shape (height, width, 3) in blue, green, red. Never ends: it connects again.

    While the camera is offline, veilcast sends a grey slate, so that the connection stays.
    """
    while True:
        try:
            with av.open(url, options={"rtsp_transport": "tcp", "fflags": "nobuffer"}, timeout=(5.0, 5.0)) as stream:
                for frame in stream.decode(video=0):
                    yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
        except FFmpegError as error:
            print(f"{error.strerror}; next try in {RETRY:g} s", file=sys.stderr)
        time.sleep(RETRY)


def main(url: str, picture_file: str, seconds: float = 10.0) -> int:
    """Count pictures for a while and keep the last one; returns the exit code."""
    begun, count = time.monotonic(), 0
    for picture in pictures(url):
        count += 1
        if time.monotonic() - begun >= seconds:
            cv2.imwrite(picture_file, picture)
            break
    height, width = picture.shape[:2]
    print(f"{count} pictures of {width}x{height} in {seconds:g} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:4])))
