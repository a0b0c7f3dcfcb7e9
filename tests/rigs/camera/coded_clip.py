"""Clips for cameras to show: each picture carries its number, coded as a camera would code it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from tests.rigs.camera.frame_code import stamp

Bgr = npt.NDArray[np.uint8]


def coded_clip(
    source: Path | list[Bgr] | None,
    target: Path,
    size: tuple[int, int] = (1280, 720),
    rate: int | Fraction = 25,
    *,
    frames: int | None = None,
    key_interval: int = 25,
    options: dict[str, str] | None = None,
) -> int:
    """Write H.264 without B-frames to `target` (.mp4), picture n stamped with n; returns the number of pictures.

    `source` is a video, pictures, or None for a moving pattern; every picture of it is taken once, scaled to `size`
    (width, height), and shown at `rate`. `options` are x264's.
    """
    width, height = size
    count = 0
    with av.open(str(target), "w") as container:
        settings = {"preset": "veryfast", "tune": "zerolatency", "crf": "20", "g": str(key_interval)}
        settings |= {"x264-params": "scenecut=0:repeat-headers=1:sliced-threads=0"} | (options or {})
        stream = container.add_stream("libx264", rate, settings)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, picture in enumerate(itertools.islice(_pictures(source, size), frames)):
            bgr = np.ascontiguousarray(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8))
            stamp(bgr, number)
            frame = av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(format="yuv420p", threads=1)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode(None))
    return count


def _pictures(source: Path | list[Bgr] | None, size: tuple[int, int]) -> Iterator[Bgr]:
    if source is None:
        width, height = size
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        for number in range(100):
            yield np.stack([(x + 3 * number) % 256, (y + number) % 256, (x + y) % 256], 2).astype("u1")
    elif isinstance(source, list):
        yield from source
    else:
        with av.open(str(source)) as container:
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
