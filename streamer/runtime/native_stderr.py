"""Keeps TensorFlow Lite's start-up chatter off the terminal, and nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

# It writes to file descriptor 2, past Python, and no setting silences what it says before its log is set up.
CHATTER: Final = re.compile(
    rb"INFO: Created TensorFlow Lite .*"
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|[IW]\d{4} [\d:.]+ +\d+ \S+\.cc:\d+\] .*"
)


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back everything written to stderr inside the block, then write it without the lines that match `CHATTER`.

    Affects the whole process, so do not use it while other threads are running. Does nothing if there is no stderr.
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
