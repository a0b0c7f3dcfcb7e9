"""Settings of the RTSP server, and of pushes to others."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from core.config import Section


class RtspConfig(Section):
    """Who may watch over RTSP, and how long a silent client stays connected."""

    user: str | None = None
    password: SecretStr | None = None
    """Set both or neither. Without them, anyone who can reach the port can watch."""
    session_timeout: Annotated[int, Field(ge=1, le=3600)] = 60
    """Seconds without a sign of life before a session ends."""
    max_clients: Annotated[int, Field(ge=1, le=10_000)] = 128
    """Connections at a time. Beyond that, clients that play nothing are disconnected first."""
    max_clients_per_address: Annotated[int, Field(ge=1, le=10_000)] = 64
    """The same per address (for IPv6, per /64). An NVR needs one per stream, a proxy one per viewer."""

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password come together")
        if self.user is not None and (not self.user or ":" in self.user):
            raise ValueError("user must not be empty nor have a colon in it")
        return self


class PushConfig(Section):
    """How to push a stream."""

    transport: Literal["tcp", "udp"] = "tcp"
    """How packets travel: inside the RTSP connection (tcp) or beside it (udp)."""
    timeout: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    """Seconds after which to reconnect to a server that does not answer or accepts no data."""
