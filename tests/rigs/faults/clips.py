"""Real faces for the camera to show, on clips that a file job masks without a miss."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.geometry import Box
from core.pictures.planes import BgrImage
from tests.rigs.camera.coded_clip import coded_clip
from tests.rigs.faces import Clip, carphone, read
from tests.rigs.faults.judge import Original

RATE = 25


@dataclass(frozen=True)
class Footage:
    """A clip at its own size and at half of it: what a camera shows after someone changed its settings."""

    large: Path
    small: Path
    originals: tuple[Original, Original]

    @property
    def count(self) -> int:
        """Pictures until it repeats."""
        return len(self.originals[0].pictures)


def small_footage(folder: Path) -> Footage:
    """A talking man, 440x360, about five seconds; forth and back, so that its loop has no seam."""
    return _footage(carphone(), folder)


def hd_footage(folder: Path) -> Footage:
    """The same man twice as large on a grey 1280x720."""
    clip = carphone()
    pictures, faces = [], []
    for picture, boxes in zip(clip.pictures, clip.faces, strict=True):
        canvas = np.full((720, 1280, 3), 90, np.uint8)
        canvas[:, 200:1080] = cv2.resize(picture, (880, 720), interpolation=cv2.INTER_CUBIC)
        pictures.append(canvas)
        faces.append([box.scaled(2, 2).moved(200, 0) for box in boxes])
    return _footage(Clip(pictures, faces), folder)


def labelled_footage(path: Path, folder: Path, frames: int = 150) -> Footage:
    """The beginning of a clip with its labels (NAME.json) beside it."""
    pictures = read(path)[:frames]
    faces: list[list[Box]] = [[] for _ in pictures]
    for face in json.loads(path.with_suffix(".json").read_text())["faces"]:
        if face["frame"] < len(pictures):
            faces[face["frame"]].append(Box(*face["box"]))
    height, width = pictures[0].shape[:2]
    size = width - width % 4, height - height % 4  # half of it must be even, too
    return _footage(Clip([np.ascontiguousarray(p[: size[1], : size[0]]) for p in pictures], faces), folder)


def _footage(clip: Clip, folder: Path) -> Footage:
    pictures: list[BgrImage] = [*clip.pictures, *clip.pictures[::-1]]
    faces = [*clip.faces, *clip.faces[::-1]]
    height, width = pictures[0].shape[:2]
    large, small = folder / "large.mp4", folder / "small.mp4"
    coded_clip(pictures, large, (width, height), RATE)
    coded_clip(pictures, small, (width // 2, height // 2), RATE)
    halves = [[box.scaled(0.5, 0.5) for box in boxes] for boxes in faces]
    return Footage(large, small, (Original.read(large, faces), Original.read(small, halves)))
