"""Orientation of coded pictures, and conversion to and from upright ones."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.geometry import Box

_ROTATE = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True)
class Orientation:
    """How to make a coded picture upright: mirror it left to right if `flip`, then turn it `turn` degrees clockwise.

    Raises ValueError unless `turn` is 0, 90, 180 or 270.
    """

    turn: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.turn not in (0, 90, 180, 270):
            raise ValueError(f"turn must be 0, 90, 180 or 270 degrees, not {self.turn}")

    def upright_size(self, width: int, height: int) -> tuple[int, int]:
        """Size of the upright picture for a coded picture of `width` x `height`."""
        return (height, width) if self.turn in (90, 270) else (width, height)

    def upright(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The coded picture made upright; shape (height, width) or (height, width, channels)."""
        if self.flip:
            picture = np.ascontiguousarray(picture[:, ::-1])
        if self.turn:
            picture = np.asarray(cv2.rotate(picture, _ROTATE[self.turn]), np.uint8)
        return picture

    def to_coded(self, box: Box, width: int, height: int) -> Box:
        """Convert a box from upright pixels to pixels of the coded picture of `width` x `height`."""
        if self.turn == 90:
            box = Box(box.y0, height - box.x1, box.y1, height - box.x0)
        elif self.turn == 180:
            box = Box(width - box.x1, height - box.y1, width - box.x0, height - box.y0)
        elif self.turn == 270:
            box = Box(width - box.y1, box.x0, width - box.y0, box.x1)
        if self.flip:
            box = Box(width - box.x1, box.y0, width - box.x0, box.y1)
        return box


UPRIGHT = Orientation()
