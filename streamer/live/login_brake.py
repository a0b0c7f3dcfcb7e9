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

    Being right does not end the wait of others at that address, nor is it looked at before its end: who could tell
    right from wrong would be guessing already. `now` in seconds of any steady clock.
    """

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, party: str, now: float) -> float:
        """Seconds until credentials of this party are judged again; 0: now."""
        record = self._records.get(party)
        return 0.0 if record is None else max(0.0, record.locked_until - now)

    def failed(self, party: str, credentials: bytes, now: float) -> None:
        """These were wrong. The same ones over and over, an old page's or recorder's, are no guessing."""
        record = self._records.setdefault(party, _Record(counted=now))
        self._records.move_to_end(party)
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
