"""Restricts WebRTC's UDP ports to the addresses that the page is served on."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aiortc import RTCPeerConnection

if TYPE_CHECKING:
    from aioice import Candidate, Connection


@dataclass(frozen=True, slots=True)
class UdpHosts:
    """`bound`: addresses the server listens on; `reached`: the local address that received the viewer's request."""

    bound: tuple[str, ...]
    reached: str

    def choose(self, found: Sequence[str]) -> list[str]:
        """Which addresses to open ports on. `found` are this machine's addresses without loopback.

        0.0.0.0 and :: stand for all addresses of their IP version, plus the one that the viewer has already reached:
        for a browser on the same machine, or without a network, that is loopback.
        """
        chosen: list[str] = []
        for host in self.bound:
            ip = ipaddress.ip_address(host)
            if ip.is_unspecified:
                chosen += [each for each in (*found, self.reached) if _version(each) == ip.version]
            else:
                chosen.append(host)
        return list(dict.fromkeys(chosen))


def restrict_to(peer: RTCPeerConnection, hosts: UdpHosts) -> None:
    """Make the peer gather candidates on these addresses only. Call it after the offer is set, before gathering.

    aiortc has no option for it and uses all addresses except loopback. Raises ValueError if the offer is not bundled
    and would need more than one set of ports.
    """
    transports = {transceiver.sender.transport for transceiver in peer.getTransceivers()}
    if peer.sctp is not None:
        transports.add(peer.sctp.transport)
    if len(transports) > 1:
        raise ValueError("the media sections of the offer are not bundled")
    for transport in transports:
        connection = transport.transport.iceGatherer._connection
        gather = partial(_gather, connection, connection.get_component_candidates, hosts)
        setattr(connection, "get_component_candidates", gather)  # noqa: B010 - a method, to the type checker


async def _gather(
    connection: Connection,
    gather: Callable[[int, list[str], int], Awaitable[list[Candidate]]],
    hosts: UdpHosts,
    component: int,
    addresses: list[str],
    timeout: int = 5,
) -> list[Candidate]:
    """Replaces the connection's own method `gather`, which opens the ports."""
    candidates = await gather(component, hosts.choose(addresses), timeout)
    if connection._closing:
        await connection.close()  # close again: aioice forgets ports that were opened meanwhile
        return []
    return candidates


def _version(address: str) -> int | None:
    """4 or 6; None for addresses that cannot be bound without more information (names, link-local IPv6)."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    return None if ip.version == 6 and ip.is_link_local else ip.version
