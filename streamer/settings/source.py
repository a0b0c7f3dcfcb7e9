"""How to connect to a source."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.config import Section


class SourceConfig(Section):
    """How to connect to a source. Times in seconds."""

    transport: Literal["auto", "tcp", "udp"] = "auto"
    """RTP inside the RTSP connection (tcp) or beside it (udp). auto: tcp, which loses nothing, else udp."""
    open_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    """How long connecting may take."""
    read_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Reconnect to a source that is silent for this long; three times this for HLS."""
    backoff_first: Annotated[float, Field(gt=0, le=60)] = 0.25
    """Wait after the first failure. It doubles with each further failure ..."""
    backoff_longest: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """... up to this."""
    redirects: Literal["same-host", "any"] = "same-host"
    """Where a web source may redirect to."""
    loop: bool = False
    """Play a file over and over."""

    @model_validator(mode="after")
    def _check_backoff(self) -> Self:
        if self.backoff_first > self.backoff_longest:
            raise ValueError("backoff_first must not be larger than backoff_longest")
        return self
