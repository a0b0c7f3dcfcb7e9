"""Settings of the web server: page, WHEP, WebRTC."""

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
    """User name; viewers with the token can see it."""
    password: SecretStr
    """Password; viewers with the token can see it."""


class WebConfig(Section):
    """The preview page, WHEP, health and metrics."""

    token: Annotated[SecretStr, Field(min_length=8)] | None = None
    """Token that viewers need. Without one, anyone who can reach the port can watch."""
    origins: tuple[Origin, ...] = ()
    """Origins of other web pages that may watch; `*` for any. With a token, any page may."""
    hosts: tuple[HostName, ...] = ()
    """Host names that browsers may use when there is no token, besides localhost and the machine's own."""
    udp_host: IPvAnyAddress | None = None
    """Address for WebRTC's UDP ports, if not the page's: needed behind a proxy on this machine."""
    stun: tuple[StunUrl, ...] = ()
    """STUN servers. Without any, only the peers are contacted."""
    turn: tuple[TurnServer, ...] = ()
    """TURN servers. Without any, only the peers are contacted."""
    max_viewers: Annotated[int, Field(ge=1, le=1000)] = 32
    """WebRTC viewers at a time, over all streams."""
    max_connections: Annotated[int, Field(ge=8, le=10_000)] = 256
    """HTTP connections at a time. Beyond that, the one that has waited longest is closed."""
    max_connections_per_address: Annotated[int, Field(ge=8, le=10_000)] = 64
    """The same per address (for IPv6, per /64)."""
