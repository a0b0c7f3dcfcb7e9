"""What a detector says of one picture, and the interface every detector has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.geometry import Box
from core.pictures.planes import BgrImage


@dataclass(frozen=True, slots=True)
class Detection:
    """One find: a box in pixels of the upright frame, a score from 0 to 1, who found it and what it is of."""

    box: Box
    score: float
    detector: str
    label: str = "face"


class Detector(Protocol):
    """Finds faces in pictures."""

    @property
    def name(self) -> str:
        """The name it is chosen by."""
        ...

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        """One list of detections a picture, boxes in that picture's pixels.

        The pictures are overwritten later: they must not be kept.
        """
        ...
