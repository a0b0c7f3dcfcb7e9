"""Which addresses WebRTC's UDP ports are on: those that the page is served at, and no others."""

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
    """`bound`: where the server listens; `reached`: the address of this machine that a viewer's request came in at."""

    bound: tuple[str, ...]
    reached: str

    def choose(self, found: Sequence[str]) -> list[str]:
        """Where to open ports, of this machine's addresses `found`, which lack those of the loopback.

        For 0.0.0.0 and :: it is all of their kind, and the one that the viewer got through to already: on a machine
        without a network, or for a browser on the same machine, that is the loopback.
        """
        chosen: list[str] = []
        for host in self.bound:
            ip = ipaddress.ip_address(host)
            if ip.is_unspecified:
                chosen += [each for each in (*found, self.reached) if _version(each) == ip.version]
            else:
                chosen.append(host)
        return list(dict.fromkeys(chosen))


def keep_to(peer: RTCPeerConnection, hosts: UdpHosts) -> None:
    """Have the peer, which has its offer and has not gathered yet, use these addresses only.

    aiortc cannot be told: it takes all addresses but those of the loopback. Raises ValueError when the offer asks for
    more than one set of ports.
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
    """In place of the connection's own way to open ports, which is `gather`."""
    candidates = await gather(component, hosts.choose(addresses), timeout)
    if connection._closing:
        await connection.close()  # once more, for ports that were opened meanwhile: aioice forgets them
        return []
    return candidates


def _version(address: str) -> int | None:
    """4 or 6; None for what cannot be bound to by its text alone."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    return None if ip.version == 6 and ip.is_link_local else ip.version
