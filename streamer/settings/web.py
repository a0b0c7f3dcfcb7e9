"""What the web side of live streams can be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, IPvAnyAddress, SecretStr

from core.config import Section

StunUrl = Annotated[
    str, Field(pattern=r"^stun:[A-Za-z0-9.\-\[\]]+(:[0-9]{1,5})?$", examples=["stun:stun.example.org:3478"])
]
TurnUrl = Annotated[
    str,
    Field(
        pattern=r"^turns?:[A-Za-z0-9.\-\[\]]+(:[0-9]{1,5})?(\?transport=(udp|tcp))?$",
        examples=["turn:turn.example.org:3478", "turns:turn.example.org?transport=tcp"],
    ),
]
Origin = Annotated[
    str,
    Field(pattern=r"^(\*|https?://[A-Za-z0-9.\-\[\]]+(:[0-9]{1,5})?)$", examples=["https://page.example.org", "*"]),
]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,253}$", examples=["nas.example.org"])]


class TurnServer(Section):
    """A relay for viewers that cannot reach this machine (RFC 8656)."""

    url: TurnUrl
    """`turn:host:port` or `turns:host:port`."""
    user: Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$", examples=["a name on one line"])]
    """User name; viewers with the token are told it."""
    password: SecretStr
    """Password; viewers with the token are told it."""


class WebConfig(Section):
    """The preview page, WHEP, and the pages for monitoring."""

    token: Annotated[SecretStr, Field(min_length=8)] | None = None
    """What viewers must know; without one whoever reaches the port can watch."""
    origins: tuple[Origin, ...] = ()
    """Origins of other web pages that may watch; `*` for any. Any may where a token is asked for."""
    hosts: tuple[HostName, ...] = ()
    """Names that browsers may call this machine by where no token is asked for, besides localhost and its own."""
    udp_host: IPvAnyAddress | None = None
    """Address of this machine for WebRTC's UDP ports, if another than the page's: behind a proxy on this machine."""
    stun: tuple[StunUrl, ...] = ()
    """Servers that tell this machine its public address; none: only peers are talked to."""
    turn: tuple[TurnServer, ...] = ()
    """Relays; none: only peers are talked to."""
    max_viewers: Annotated[int, Field(ge=1, le=1000)] = 32
    """WebRTC viewers at a time, over all streams."""
    max_connections: Annotated[int, Field(ge=8, le=10_000)] = 256
    """HTTP connections at a time; where there are more, the one that has waited for longest gives way."""
    max_connections_per_address: Annotated[int, Field(ge=8, le=10_000)] = 64
    """The same for one address (for IPv6: one /64)."""
