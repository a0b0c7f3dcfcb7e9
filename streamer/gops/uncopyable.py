"""Why packets cannot be copied."""

from __future__ import annotations

from typing import Final

SETS_CHANGE: Final = "its parameter sets change"
HEADER_CHANGES: Final = "its header changes"
WHOLE_FILE: Final = frozenset({SETS_CHANGE, HEADER_CHANGES})
"""Refusals after which nothing of a file is copied: what holds for one part of it may not hold for another."""


class UncopyableError(ValueError):
    """Packets must not be copied; the message is one line that says why."""
