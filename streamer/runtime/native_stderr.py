"""Keeps what TensorFlow Lite says of itself off the terminal, and nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

# It writes past Python, to descriptor 2, and what it says before its log is set up no setting can turn off.
CHATTER: Final = re.compile(
    rb"INFO: Created TensorFlow Lite .*"
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|[IW]\d{4} [\d:.]+ +\d+ \S+\.cc:\d+\] .*"
)


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what is written to stderr meanwhile, then write it, but for lines that are `CHATTER`.

    For the whole process: not where other threads work. Where there is no stderr, nothing is done.
    """
    try:
        sys.stderr.flush()
        terminal = os.dup(2)
    except (OSError, AttributeError, ValueError):
        yield
        return
    try:
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(terminal, 2)
                held.seek(0)
                rest = [line for line in held if not CHATTER.fullmatch(line.rstrip(b"\r\n"))]
                with contextlib.suppress(OSError):
                    os.write(2, b"".join(rest))
    finally:
        os.close(terminal)
