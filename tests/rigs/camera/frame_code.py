"""A number burned into a picture that survives coding, so that what comes out can be matched to what went in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BITS, CHECK_BITS, COLUMNS, ROWS = 16, 4, 11, 2
MIN_CONTRAST = 60  # grey levels between the white and the black square: less is blur, not code

Picture = npt.NDArray[np.uint8]
"""Grey (height, width) or BGR (height, width, 3)."""


def cell_size(width: int) -> int:
    """Side in pixels of a square, for a picture this wide; the code covers 11 x 2 of them in the top left corner."""
    return 16 if width >= 640 else 8


def stamp(picture: Picture, number: int) -> None:
    """Burn `number` (0 to 65535) into the picture: a white, a black square, 16 bits and 4 of check."""
    if not 0 <= number < 1 << BITS:
        raise ValueError(f"number must be from 0 to {(1 << BITS) - 1}, not {number}")
    side, word = cell_size(picture.shape[1]), number | _check(number) << BITS
    squares = [True, False, *(bool(word >> bit & 1) for bit in range(BITS + CHECK_BITS))]
    for place, white in enumerate(squares):
        y, x = divmod(place, COLUMNS)
        picture[y * side : (y + 1) * side, x * side : (x + 1) * side] = 235 if white else 16


def read(picture: Picture) -> int | None:
    """The number, or None where it cannot be read: masked, damaged, or no code."""
    side = cell_size(picture.shape[1])
    if picture.shape[0] < ROWS * side or picture.shape[1] < COLUMNS * side:
        return None
    corner = picture[: ROWS * side, : COLUMNS * side].astype(np.float64)
    grey = corner if corner.ndim == 2 else corner.mean(axis=2)
    inset = side // 4
    levels = grey.reshape(ROWS, side, COLUMNS, side)[:, inset:-inset, :, inset:-inset].mean(axis=(1, 3)).ravel()
    white, black = levels[0], levels[1]
    if white - black < MIN_CONTRAST:
        return None
    word = sum(1 << bit for bit, level in enumerate(levels[2:]) if level > (white + black) / 2)
    number = word & (1 << BITS) - 1
    return number if word >> BITS == _check(number) else None


def _check(number: int) -> int:
    return 15 ^ (number ^ number >> 4 ^ number >> 8 ^ number >> 12) & 15
