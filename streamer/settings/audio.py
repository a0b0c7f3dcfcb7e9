"""What becomes of audio."""

from __future__ import annotations

from typing import Literal

AudioPolicy = Literal["keep", "drop", "disguise"]
"""Copied bit for bit, left out, or voices disguised."""
