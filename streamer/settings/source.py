"""How a source is connected."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.config import Section


class SourceConfig(Section):
    """How a source is connected. Times in seconds."""

    transport: Literal["auto", "tcp", "udp"] = "auto"
    """RTP over RTSP's own connection (tcp) or beside it; auto: tcp, which loses nothing, else udp."""
    open_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    """How long connecting may take."""
    read_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    """A source that is connected but silent for so long is connected anew; three times that for HLS."""
    backoff_first: Annotated[float, Field(gt=0, le=60)] = 0.25
    """The wait after the first failure; it doubles with every further one ..."""
    backoff_longest: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """... up to this."""
    redirects: Literal["same-host", "any"] = "same-host"
    """Where a web address may lead on to."""
    loop: bool = False
    """Play a file again and again."""

    @model_validator(mode="after")
    def _check_backoff(self) -> Self:
        if self.backoff_first > self.backoff_longest:
            raise ValueError("backoff_first must not be larger than backoff_longest")
        return self
