"""How a session's packets are transported: the Transport header (RFC 2326, 12.39)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PAIR = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Transport:
    """A transport requested by the client: interleaved in its RTSP connection (TCP), or UDP to its own address.

    `pair` is for RTP and RTCP: channels of the connection, or the client's UDP ports.
    """

    profile: str
    tcp: bool
    pair: tuple[int, int]

    def header(self, ssrc: int, server_ports: tuple[int, int] | None = None) -> str:
        """The response's Transport header; `server_ports` for UDP."""
        way = "interleaved" if self.tcp else "client_port"
        ports = "" if server_ports is None else f";server_port={server_ports[0]}-{server_ports[1]}"
        return f'{self.profile};unicast;{way}={self.pair[0]}-{self.pair[1]}{ports};ssrc={ssrc:08X};mode="PLAY"'


def choose(header: str, peer: str) -> Transport | None:
    """The first requested transport that is supported, or None.

    Not supported: multicast, recording, profiles other than RTP/AVP, and destinations other than the client's address
    `peer`.
    """
    return next((transport for text in header.split(",")[:16] if (transport := _parse(text, peer))), None)


def _parse(text: str, peer: str) -> Transport | None:
    profile, *rest = (part.strip() for part in text.split(";"))
    parameters: dict[str, str] = {}
    for part in rest:
        name, _, value = part.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    profile = profile.upper()
    if profile not in ("RTP/AVP", "RTP/AVP/UDP", "RTP/AVP/TCP") or "multicast" in parameters:
        return None
    if parameters.get("mode", "PLAY").upper() != "PLAY" or parameters.get("destination", peer) != peer:
        return None
    if profile == "RTP/AVP/TCP":
        pair = _pair(parameters.get("interleaved", "0-1"), 255)
        return Transport(profile, True, pair) if pair else None
    pair = _pair(parameters.get("client_port", ""), 65535)
    return Transport(profile, False, pair) if pair and min(pair) > 0 else None


def _pair(text: str, most: int) -> tuple[int, int] | None:
    match = _PAIR.fullmatch(text)
    if match is None:
        return None
    first = int(match[1])
    second = int(match[2]) if match[2] else first + 1
    return (first, second) if first != second and max(first, second) <= most else None
