"""What happens to audio."""

from __future__ import annotations

from typing import Literal

AudioPolicy = Literal["keep", "drop", "disguise"]
"""Copy it bit for bit, drop it, or disguise voices."""
