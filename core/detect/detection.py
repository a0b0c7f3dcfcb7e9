"""Detections, and the interface of all detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.geometry import Box
from core.pictures.planes import BgrImage


@dataclass(frozen=True, slots=True)
class Detection:
    """One detected object: its box in pixels of the upright frame, score (0 to 1), detector name and label."""

    box: Box
    score: float
    detector: str
    label: str = "face"


class Detector(Protocol):
    """Detects faces in pictures."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        """One list of detections per picture, boxes in pixels of that picture.

        The pictures' memory is reused later: do not keep references to them.
        """
        ...
