"""What is logged, and how."""

from __future__ import annotations

from typing import Literal

from core.config import Section


class LogConfig(Section):
    """What is logged, and how."""

    form: Literal["plain", "json"] = "plain"
    """One line per record: key=value pairs, or a JSON object."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level to log."""
