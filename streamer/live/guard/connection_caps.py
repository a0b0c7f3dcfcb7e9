"""Who may have one of a limited number of places, and who gives way when all are taken. No sockets here."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

G = TypeVar("G")


class FullError(Exception):
    """There is no place, and nobody who could give way."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How many there may be in all, and of one party."""

    in_all: int
    per_party: int


@dataclass(frozen=True, slots=True)
class Place(Generic[G]):
    """A place that is taken: by whom, for which party, and since when (seconds) idly; None: it is of use just now."""

    guest: G
    party: str
    idle_since: float | None


def make_room(places: Iterable[Place[G]], party: str, caps: Caps) -> G | None:
    """Who has to leave before one more of `party` may come in; None when nobody has to.

    A party that has all it may have loses its own longest idle one. When all places are taken, the party that has the
    most of them loses one: whoever takes many places only drives out himself. Raises FullError.
    """
    taken = list(places)
    counts = Counter(place.party for place in taken)
    counts[party] += 1
    if counts[party] > caps.per_party:
        return _longest_idle(place for place in taken if place.party == party)
    if len(taken) < caps.in_all:
        return None
    idle = [place for place in taken if place.idle_since is not None]
    most = max((counts[place.party] for place in idle), default=0)
    return _longest_idle(place for place in idle if counts[place.party] == most)


def _longest_idle(places: Iterable[Place[G]]) -> G:
    idle = [(place.idle_since, number, place) for number, place in enumerate(places) if place.idle_since is not None]
    if not idle:
        raise FullError
    return min(idle)[2].guest


def party_of(address: str) -> str:
    """Whom an address is counted for: itself, but for IPv6 its network, whose owner has as many as he likes."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((ip, 64), strict=False))
    return str(ip)
