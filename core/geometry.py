"""Boxes in the picture plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

FARTHEST = 1e6  # pixels; no picture is that large, so a box beyond this is an error
THINNEST = 1e-6  # pixels; anything thinner has no usable area


@dataclass(frozen=True, slots=True)
class Box:
    """Axis-aligned box `x0, y0, x1, y1` in pixels, x to the right, y down. May extend beyond the picture."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.y1 - self.y0

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box, `(x, y)`."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def area(self) -> float:
        """Area in square pixels; 0 for an empty box."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def side(self) -> float:
        """The longer side in pixels."""
        return max(self.width, self.height)

    def is_valid(self) -> bool:
        """Whether the box has an area and all its coordinates are finite and within a plausible range."""
        corners = (self.x0, self.y0, self.x1, self.y1)
        if not all(map(math.isfinite, corners)) or max(map(abs, corners)) > FARTHEST:
            return False
        return min(self.width, self.height) > THINNEST

    def grown(self, factor: float, pad: float = 0.0) -> Box:
        """Same centre, both sides multiplied by `factor`, plus `pad` pixels on every edge."""
        dx, dy = self.width * (factor - 1) / 2 + pad, self.height * (factor - 1) / 2 + pad
        return Box(self.x0 - dx, self.y0 - dy, self.x1 + dx, self.y1 + dy)

    def moved(self, dx: float, dy: float) -> Box:
        """The box shifted by `(dx, dy)`."""
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)

    def scaled(self, fx: float, fy: float) -> Box:
        """The box in a picture of another size: coordinates multiplied by `fx` and `fy`."""
        return Box(self.x0 * fx, self.y0 * fy, self.x1 * fx, self.y1 * fy)

    def clipped(self, width: float, height: float) -> Box:
        """The part inside a picture of this size; empty (area 0) if there is none."""
        x0, y0 = min(max(self.x0, 0.0), width), min(max(self.y0, 0.0), height)
        return Box(x0, y0, max(x0, min(self.x1, width)), max(y0, min(self.y1, height)))

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def lerp(self, other: Box, t: float) -> Box:
        """Linear interpolation: this box at `t` = 0, `other` at `t` = 1."""
        return Box(
            self.x0 + (other.x0 - self.x0) * t,
            self.y0 + (other.y0 - self.y0) * t,
            self.x1 + (other.x1 - self.x1) * t,
            self.y1 + (other.y1 - self.y1) * t,
        )


def overlap(a: Box, b: Box) -> float:
    """Area of the intersection in square pixels."""
    return max(0.0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(0.0, min(a.y1, b.y1) - max(a.y0, b.y0))


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0 to 1."""
    shared = overlap(a, b)
    total = a.area + b.area - shared
    return shared / total if total > 0 else 0.0
