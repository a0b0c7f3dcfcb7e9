"""How streams are recorded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.config import Section

ContainerName = Literal["mp4", "mkv"]


class RecordConfig(Section):
    """How a stream is recorded. 1 MB is a million bytes."""

    container: ContainerName = "mp4"
    """Fragmented MP4 or Matroska; both play while they grow and after a crash."""
    segment_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """Start a new file at the first key frame after this long; 0: only `segment_mb` counts."""
    segment_mb: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0
    """Start a new file at the first key frame after this much; 0: only `segment_seconds` counts."""
    fragment_seconds: Annotated[float, Field(ge=0.2, le=10)] = 1.0
    """Seconds of recording that a crash can lose."""
    keep_hours: Annotated[float, Field(gt=0)] | None = None
    """Delete files that ended longer ago than this."""
    keep_mb: Annotated[float, Field(gt=0)] | None = None
    """Delete the oldest files while a stream has more than this."""
