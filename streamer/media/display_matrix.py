"""Converts between a container's display matrix and the engine's `Orientation`."""

from __future__ import annotations

import struct

from core.pictures.orientation import Orientation

Matrix = tuple[int, ...]
"""Nine integers as FFmpeg stores a display matrix: 16.16 fixed point, the last column 2.30."""

_ONE = 1 << 16
_UNIT = 1 << 30
_AXES = {(0, 1): 0, (-1, 0): 90, (0, -1): 180, (1, 0): 270}  # where "down" goes -> degrees clockwise


def parse_matrix(data: bytes) -> Matrix:
    """The matrix in frame side data (native byte order). Raises ValueError unless it has 36 bytes."""
    if len(data) != 36:
        raise ValueError(f"a display matrix has 36 bytes, not {len(data)}")
    return struct.unpack("=9i", data)


def orientation_of(matrix: Matrix) -> Orientation:
    """The nearest of the eight axis-aligned orientations; exact for everything cameras write."""
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    down = (0, 1 if d >= 0 else -1) if abs(d) >= abs(c) else (1 if c > 0 else -1, 0)
    return Orientation(_AXES[down], flip=a * d - b * c < 0)


def matrix_of(orientation: Orientation) -> Matrix:
    """The display matrix of an orientation, without translation."""
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[orientation.turn]
    mirror = -1 if orientation.flip else 1
    return (mirror * cos * _ONE, mirror * sin * _ONE, 0, -sin * _ONE, cos * _ONE, 0, 0, 0, _UNIT)
