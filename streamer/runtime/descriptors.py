"""File descriptors: how many this process may open, and how clients share what cameras and recorders leave."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MOST: Final = 65_536
"""Never raise the limit above this: all client caps together need far fewer."""
RESERVED: Final = 64
"""For the program itself, which uses about ten (libraries, logs, event loops, listening sockets, name lookups), and for
connections that are being refused."""
PER_STREAM: Final = 16
"""For one camera (five ports over UDP), its recording (two files while one replaces the other) and its pushes."""


@dataclass(frozen=True, slots=True)
class ClientDemand:
    """A number of clients, each of which needs `cost` descriptors."""

    clients: int
    cost: int


def raise_limit() -> int:
    """Raise the soft limit to the hard one, up to `MOST`. Returns the limit now in effect."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def available(limit: int, streams: int) -> int:
    """How many of `limit` descriptors are left for clients when `streams` streams are running."""
    return max(0, limit - RESERVED - PER_STREAM * streams)


def allocate(left: int, demands: Sequence[ClientDemand]) -> list[int]:
    """How many clients of each kind may connect: all of them, or the same share of each kind, but at least one."""
    wanted = sum(demand.clients * demand.cost for demand in demands)
    share = min(1.0, left / wanted) if wanted else 1.0
    return [max(1, int(demand.clients * share)) for demand in demands]
