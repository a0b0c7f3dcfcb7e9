"""What the RTSP server can be told."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from core.config import Section


class RtspConfig(Section):
    """Who may watch over RTSP, and how long a silent client is kept."""

    user: str | None = None
    password: SecretStr | None = None
    """Both or neither; without them everybody who reaches the port may watch."""
    session_timeout: Annotated[int, Field(ge=1, le=3600)] = 60
    """Seconds without a sign of life until a session is ended."""
    max_clients: Annotated[int, Field(ge=1, le=10_000)] = 128
    """Connections at a time; where there are more, those that play nothing give way."""
    max_clients_per_address: Annotated[int, Field(ge=1, le=10_000)] = 64
    """The same for one address (for IPv6: one /64). An NVR has one a stream, a proxy those of all its viewers."""

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password come together")
        if self.user is not None and (not self.user or ":" in self.user):
            raise ValueError("user must not be empty nor have a colon in it")
        return self
