"""Reusable memory. Fresh arrays for every picture would be cache-cold, and the system would zero their pages."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from core.pictures.planes import Samples

_ALIGNED: Final = 64
"""Arrays start at multiples of this many bytes, so that each can be viewed as any type."""


class Scratch:
    """Memory for one array at a time."""

    def __init__(self) -> None:
        self._memory: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[np.uint8 | np.uint16]) -> Samples:
        """An uninitialised array, valid until the next call."""
        size = math.prod(shape) * dtype.itemsize
        if self._memory.size < size:
            self._memory = np.empty(size, np.uint8)
        array: Samples = self._memory[:size].view(dtype).reshape(shape)
        return array


class Arena:
    """Memory for all arrays of one piece of work, such as one detector pass; the next one reuses it.

    It grows to the size of the largest piece of work so far.
    """

    def __init__(self) -> None:
        self._memory: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._used = 0

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._memory.nbytes

    def begin(self) -> None:
        """Start the next piece of work: all arrays handed out so far may be overwritten."""
        if self._used > self._memory.size:
            self._memory = np.empty(self._used, np.uint8)
        self._used = 0

    def array(self, shape: tuple[int, ...], dtype: np.dtype[np.uint8 | np.uint16]) -> Samples:
        """An uninitialised array, valid until the next `begin`."""
        size = math.prod(shape) * dtype.itemsize
        start, self._used = self._used, self._used + size + -size % _ALIGNED
        if self._used > self._memory.size:  # not large enough yet; it will be from the next `begin` on
            return np.empty(shape, dtype)
        array: Samples = self._memory[start : start + size].view(dtype).reshape(shape)
        return array
