"""Limits heap growth in a service that runs for months (glibc only)."""

from __future__ import annotations

import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8  # malloc.h
_HEAPS: Final = 2


def few_heaps() -> bool:
    """Make all threads share two heaps (malloc arenas). Returns False if the C library is not glibc.

    glibc gives every thread an arena of up to 64 MB and returns little of it to the system: detectors, cameras and
    encoders that are replaced over and over fragment all of them. Call it before starting threads.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_ARENA_MAX, _HEAPS))


def return_freed_memory() -> bool:
    """Return freed memory to the system. Returns False if the C library is not glibc or there was nothing to return.

    On its own, glibc returns only the end of a heap; holes stay, and every replaced component adds some. This takes
    about ten milliseconds, during which other threads may have to wait for memory.
    """
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    return bool(malloc_trim(0))
