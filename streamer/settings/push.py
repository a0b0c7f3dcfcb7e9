"""How a stream is pushed to another server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.config import Section


class PushConfig(Section):
    """How a stream is pushed."""

    transport: Literal["tcp", "udp"] = "tcp"
    """How the packets travel: inside the RTSP connection, or beside it."""
    timeout: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    """Seconds after which a server that does not answer, or takes nothing, is given up and tried again."""
