"""Mask pictures that are NumPy arrays, frame by frame: from OpenCV, from a simulator, from anywhere.

python examples/mask_arrays.py in.mp4 folder    # writes folder/00000.png, folder/00001.png, ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from core import Anonymizer, EngineConfig, Frame, MaskedFrame

Picture = npt.NDArray[np.uint8]
"""Shape (height, width, 3): blue, green, red, as OpenCV has them."""


def masked(pictures: Iterable[Picture], rate: float) -> Iterator[Picture]:
    """The pictures in the same order, without faces. `rate` is pictures a second.

    They come out up to a second later than they go in: a face that is found late is masked back to where it came in.
    """
    with Anonymizer(EngineConfig()) as engine:
        for index, picture in enumerate(pictures):
            frame = Frame(index, av.VideoFrame.from_ndarray(picture, "bgr24"), time=index / rate)
            yield from map(array, engine.push(frame))
        yield from map(array, engine.flush())  # those that still wait


def array(frame: MaskedFrame) -> Picture:
    """The masked picture as an array."""
    return np.asarray(frame.video.to_ndarray(format="bgr24"), np.uint8)


def read(capture: cv2.VideoCapture) -> Iterator[Picture]:
    """Every picture that OpenCV can read."""
    while True:
        there, picture = capture.read()
        if not there:
            return
        yield np.asarray(picture, np.uint8)


def main(source: str, folder: str) -> int:
    """Write the masked pictures as PNG files; returns the exit code."""
    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        print(f"{source} cannot be opened", file=sys.stderr)
        return 2
    Path(folder).mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(masked(read(capture), capture.get(cv2.CAP_PROP_FPS) or 25.0)):
        cv2.imwrite(str(Path(folder, f"{index:05}.png")), picture)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
