"""Who gets one of a limited number of slots, and who is evicted when all are taken. No sockets here."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

H = TypeVar("H")


class FullError(Exception):
    """All slots are taken and none of the holders is idle."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most slots in total, and per client."""

    total: int
    per_client: int


@dataclass(frozen=True, slots=True)
class Slot(Generic[H]):
    """A taken slot: its holder, the client it counts for, and since when it has been idle (seconds; None: in use)."""

    holder: H
    client: str
    idle_since: float | None


def pick_eviction(slots: Iterable[Slot[H]], client: str, caps: Caps) -> H | None:
    """Which holder must be evicted before `client` may take another slot; None if there is room.

    A client at its own cap loses its longest idle slot. When all slots are taken, the client with the most slots loses
    its longest idle one, so a client that grabs many slots only evicts itself. Raises FullError.
    """
    taken = list(slots)
    counts = Counter(slot.client for slot in taken)
    counts[client] += 1
    if counts[client] > caps.per_client:
        return _longest_idle(slot for slot in taken if slot.client == client)
    if len(taken) < caps.total:
        return None
    idle = [slot for slot in taken if slot.idle_since is not None]
    most = max((counts[slot.client] for slot in idle), default=0)
    return _longest_idle(slot for slot in idle if counts[slot.client] == most)


def _longest_idle(slots: Iterable[Slot[H]]) -> H:
    idle = [(slot.idle_since, number, slot) for number, slot in enumerate(slots) if slot.idle_since is not None]
    if not idle:
        raise FullError
    return min(idle)[2].holder


def client_key(address: str) -> str:
    """What an address counts as: IPv4 as itself, IPv6 as its /64 network, whose owner can use any address in it."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((ip, 64), strict=False))
    return str(ip)
