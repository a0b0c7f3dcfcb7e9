"""How to push a stream to another server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.config import Section


class PushConfig(Section):
    """How to push a stream."""

    transport: Literal["tcp", "udp"] = "tcp"
    """How packets travel: inside the RTSP connection (tcp) or beside it (udp)."""
    timeout: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    """Seconds after which to reconnect to a server that does not answer or accepts no data."""
