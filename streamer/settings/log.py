"""What is logged, and how."""

from __future__ import annotations

from typing import Literal

from core.config import Section


class LogConfig(Section):
    """What is logged, and how."""

    form: Literal["plain", "json"] = "plain"
    """One line each: key=value pairs, or a JSON object."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important that is logged."""
