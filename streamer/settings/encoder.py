"""How masked pictures are encoded, for files and live."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.config import Section

Codec = Literal["h264", "hevc"]


class EncoderConfig(Section):
    """How the copy is encoded."""

    codec: Codec | None = None
    """Default: H.264, or HEVC for more than 8 bits."""
    crf: Annotated[float, Field(ge=0, le=51)] = 20
    """Constant quality: lower is better and larger."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        "veryfast"
    )
    """Slower presets make smaller files."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of the encoder; 0 lets it choose."""


class LiveEncoderConfig(Section):
    """How the published stream is encoded."""

    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "superfast"
    crf: Annotated[float, Field(ge=0, le=51)] = 23.0
    """Quality: lower is better and larger."""
    max_kbps: Annotated[int, Field(ge=64, le=200_000)] = 8000
    """Limit for the bit rate in kbit/s, whatever the quality."""
    key_interval: Annotated[float, Field(ge=0.5, le=30)] = 2.0
    """Seconds between key frames. A client that joins gets one of its own."""
