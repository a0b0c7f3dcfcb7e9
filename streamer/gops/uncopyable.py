"""Why packets cannot be copied."""

from __future__ import annotations


class UncopyableError(ValueError):
    """Packets must not be copied; the message is one line that says why."""
