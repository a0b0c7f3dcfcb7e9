"""Keeps what native libraries write to standard error, past Python, out of the way of what is said to a person."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


@contextmanager
def native_noise_held_back() -> Iterator[None]:
    """In the `with` block, what anything in this process writes to standard error is held back.

    It is dropped when the block ends well, and written when an exception leaves it. Only for where nothing else has
    something to say: it is the whole process that falls silent.
    """
    try:
        before = None if sys.stderr is None else os.dup(_STDERR)
    except OSError:
        before = None
    if before is None:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as held, os.fdopen(before, "wb") as stderr:
        sys.stderr.flush()
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        except BaseException:
            _restore(before)
            held.seek(0)
            shutil.copyfileobj(held, stderr)
            raise
        _restore(before)


def _restore(before: int) -> None:
    sys.stderr.flush()
    os.dup2(before, _STDERR)
