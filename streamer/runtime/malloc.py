"""Keeps a service that runs for months from growing more than it must."""

from __future__ import annotations

import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8  # malloc.h
_HEAPS: Final = 2


def few_heaps() -> bool:
    """Have all threads share two heaps; False where the C library is not glibc.

    glibc gives every thread up to 64 MB of a heap of its own and returns little of it: detectors, cameras and encoders
    that are replaced again and again leave holes in all of them. To be called before threads are started.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_ARENA_MAX, _HEAPS))


def give_back() -> bool:
    """Return freed memory to the system; False where the C library is not glibc, or there was none to return.

    glibc returns by itself only what lies at a heap's end; holes stay, and with every part that is replaced there are
    more of them. Takes some ten milliseconds, in which other threads may have to wait for memory.
    """
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    return bool(malloc_trim(0))
