"""How long an HTTP client may take: for a head, for a body, between requests, and to read. No sockets here.

It knows no more of HTTP than that a blank line ends a head, and so serves in front of any server.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_HEAD: Final = 32 * 1024  # bytes of request line and headers together; browsers send about one thousand
_ENDS: Final = (b"\r\n\r\n", b"\n\n", b"\n\r\n")


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """What a client has time for. Seconds."""

    head: float = 10.0
    """From its first byte (of a connection: from its beginning) to the end of a request's head."""
    answer: float = 20.0
    """From there to the beginning of the answer, for a body that comes at any pace."""
    pace: float = 16_384.0
    """Bytes a second; a body that comes faster has all the time it takes."""
    idle: float = 75.0
    """Without a request. Longer than proxies keep connections, so that they are the ones to close them."""
    stall: float = 20.0
    """Without reading anything of an answer."""


class Phase(Enum):
    """What a connection is at."""

    IDLE = "idle"
    HEAD = "head"
    ASKED = "asked"


class HttpPace:
    """Follows one connection by the bytes that come and go. `now` is in seconds of any steady clock."""

    def __init__(self, limits: PaceLimits, now: float) -> None:
        self.phase = Phase.HEAD  # a connection is made in order to ask something
        self.since = now
        """Since when it is at that."""
        self._limits = limits
        self._tail = b""
        self._came = self._written = self._read = 0
        self._progress = now

    def received(self, data: bytes, now: float) -> bool:
        """Bytes have come; False when they are a head without end, and the connection is to be closed."""
        if self.phase is Phase.IDLE:
            self.phase, self.since, self._tail, self._came = Phase.HEAD, now, b"", 0
        self._came += len(data)
        if self.phase is Phase.HEAD:
            looked_at = self._tail + data
            if any(end in looked_at for end in _ENDS):
                self.phase, self.since, self._came = Phase.ASKED, now, 0
            elif self._came > MAX_HEAD:
                return False
            self._tail = looked_at[-3:]
        return True

    def sent(self, count: int, now: float) -> None:
        """So many bytes of an answer were handed over."""
        self._written += count
        self.phase, self.since = Phase.IDLE, now

    def overdue(self, now: float, buffered: int) -> str | None:
        """What the client took too long for, if anything, with so many bytes of answers still unsent."""
        if not buffered or self._written - buffered > self._read:
            self._read, self._progress = self._written - buffered, now
        if now - self._progress > self._limits.stall:
            return "reading"
        took = now - self.since
        match self.phase:
            case Phase.HEAD:
                return "a head" if took > self._limits.head else None
            case Phase.ASKED:
                return "a body" if took > self._limits.answer + self._came / self._limits.pace else None
        return "a request" if took > self._limits.idle and not buffered else None
