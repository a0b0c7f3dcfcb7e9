"""File descriptors: how many this process may have, and how viewers share what cameras and recorders leave."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MOST: Final = 65_536
"""More than this is not asked for: every cap together stays far below."""
RESERVED: Final = 64
"""For the program itself, which has about ten: libraries, logs, event loops, the servers' own, name lookups; and for
connections that are just being turned away."""
PER_STREAM: Final = 16
"""For one camera (over UDP five ports), its recording (two files where one follows the other) and its pushes."""


@dataclass(frozen=True, slots=True)
class Wish:
    """So many clients, each of which takes `cost` descriptors."""

    clients: int
    cost: int


def raise_limit() -> int:
    """Raise the soft limit to the hard one, up to `MOST`; what it is now."""
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
    """How many of `limit` are left for clients beside so many streams."""
    return max(0, limit - RESERVED - PER_STREAM * streams)


def share_out(left: int, wishes: Sequence[Wish]) -> list[int]:
    """How many clients of each kind there may be: as many as wished, or the same share of each, and at least one."""
    wanted = sum(wish.clients * wish.cost for wish in wishes)
    share = min(1.0, left / wanted) if wanted else 1.0
    return [max(1, int(wish.clients * share)) for wish in wishes]
