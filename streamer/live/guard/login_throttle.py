"""Slows down who guesses passwords, each party by itself: nobody can have others locked out. No clock of its own."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

FREE: Final = 5
"""Wrong guesses that cost nothing: people mistype."""
FORGIVEN: Final = 30.0
"""Seconds after which a wrong guess is forgotten."""
LONGEST: Final = 60.0
"""Seconds; no guess costs more, so that who shares an address with a guesser gets in again soon after."""

_PARTIES = 4096  # that are remembered; the one that has been quiet for longest is forgotten first
_REPEATS = 8  # wrong credentials remembered of one party


@dataclass(slots=True)
class _Record:
    guesses: float = 0.0
    counted: float = 0.0
    locked_until: float = float("-inf")
    tried: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REPEATS))


class LoginBrake:
    """From the sixth wrong guess on a party waits: 1 s, 2 s, 4 s ... up to a minute. Meanwhile nothing of it is judged.

    Being right does not end the wait, nor is it looked at before: who could tell right from wrong would be guessing.
    But a kind of client (what it says it is) that was right from there before waits for its own mistakes only: who
    guesses at the address of a proxy, or next to a recorder, does not lock them out unless he passes for them.
    `now` in seconds of any steady clock.
    """

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()

    def wait(self, party: str, kind: str, now: float) -> float:
        """Seconds until credentials of such a client of this party are judged again; 0: now."""
        record = self._records.get(self._whose(party, kind))
        return 0.0 if record is None else max(0.0, record.locked_until - now)

    def granted(self, party: str, kind: str) -> None:
        """Such a client was right."""
        if not kind:
            return
        own = _own(party, kind)
        self._known[own] = None
        self._known.move_to_end(own)
        if len(self._known) > _PARTIES:
            self._known.popitem(last=False)

    def failed(self, party: str, kind: str, credentials: bytes, now: float) -> None:
        """These were wrong. The same ones over and over, an old page's or recorder's, are no guessing."""
        whose = self._whose(party, kind)
        record = self._records.setdefault(whose, _Record(counted=now))
        self._records.move_to_end(whose)
        if len(self._records) > _PARTIES:
            self._records.popitem(last=False)
        mark = hashlib.sha256(credentials).digest()
        if mark in record.tried:
            return
        record.tried.append(mark)
        record.guesses = max(0.0, record.guesses - (now - record.counted) / FORGIVEN) + 1
        record.counted = now
        if record.guesses > FREE:
            record.locked_until = now + min(LONGEST, 2.0 ** min(record.guesses - FREE - 1, 10))

    def _whose(self, party: str, kind: str) -> str:
        own = _own(party, kind)
        return own if own in self._known else party


def _own(party: str, kind: str) -> str:
    return f"{party} {hashlib.sha256(kind.encode('utf-8', 'surrogateescape')).hexdigest()}"
