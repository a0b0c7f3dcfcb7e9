"""Slows down password guessing, per client, so that nobody can lock others out. The caller supplies the time."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

FREE_GUESSES: Final = 5
"""Wrong guesses without a penalty: people mistype."""
FORGET_AFTER: Final = 30.0
"""Seconds after which a wrong guess is forgotten."""
LONGEST_WAIT: Final = 60.0
"""Seconds; the longest lockout, so that others at an attacker's address get in again soon afterwards."""

_CLIENTS = 4096  # clients remembered; the least recently active one is forgotten first
_REPEATS = 8  # wrong credentials remembered per client


@dataclass(slots=True)
class _Record:
    guesses: float = 0.0
    counted: float = 0.0
    locked_until: float = float("-inf")
    tried: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REPEATS))


class LoginThrottle:
    """From the sixth wrong guess, a client is locked out for 1 s, 2 s, 4 s ... up to a minute.

    During a lockout credentials are not checked at all, and correct ones do not end it: otherwise guessing could go on.
    But a kind of client (its User-Agent) that has logged in from the same address before is only locked out by its own
    mistakes. So an attacker behind a shared proxy, or at a recorder's address, does not lock the others out unless he
    sends their User-Agent. `now` is in seconds of any monotonic clock.
    """

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()

    def wait(self, client: str, kind: str, now: float) -> float:
        """Seconds until credentials from this client and kind are checked again; 0: now."""
        record = self._records.get(self._key(client, kind))
        return 0.0 if record is None else max(0.0, record.locked_until - now)

    def granted(self, client: str, kind: str) -> None:
        """This client and kind sent correct credentials."""
        if not kind:
            return
        own = _own(client, kind)
        self._known[own] = None
        self._known.move_to_end(own)
        if len(self._known) > _CLIENTS:
            self._known.popitem(last=False)

    def failed(self, client: str, kind: str, credentials: bytes, now: float) -> None:
        """These credentials were wrong. Repeating the same ones, as a stale page or recorder does, is not guessing."""
        key = self._key(client, kind)
        record = self._records.setdefault(key, _Record(counted=now))
        self._records.move_to_end(key)
        if len(self._records) > _CLIENTS:
            self._records.popitem(last=False)
        mark = hashlib.sha256(credentials).digest()
        if mark in record.tried:
            return
        record.tried.append(mark)
        record.guesses = max(0.0, record.guesses - (now - record.counted) / FORGET_AFTER) + 1
        record.counted = now
        if record.guesses > FREE_GUESSES:
            record.locked_until = now + min(LONGEST_WAIT, 2.0 ** min(record.guesses - FREE_GUESSES - 1, 10))

    def _key(self, client: str, kind: str) -> str:
        own = _own(client, kind)
        return own if own in self._known else client


def _own(client: str, kind: str) -> str:
    return f"{client} {hashlib.sha256(kind.encode('utf-8', 'surrogateescape')).hexdigest()}"
