"""How long an HTTP client may take to send a head, to send a body, between requests, and to read. No sockets here.

All it knows about HTTP is that a blank line ends a head, so it works in front of any server.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_HEAD: Final = 32 * 1024  # bytes of request line and headers together; browsers send about 1,000
_ENDS: Final = (b"\r\n\r\n", b"\n\n", b"\n\r\n")


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """Timeouts for a client, in seconds."""

    head: float = 10.0
    """From a request's first byte (for the first request: from connecting) to the end of its head."""
    answer: float = 20.0
    """From the end of the head to the start of the response, however slowly a body arrives."""
    pace: float = 16_384.0
    """Bytes per second; a body that arrives faster than this never times out."""
    idle: float = 75.0
    """Without a request. Longer than proxies keep idle connections, so that the proxy closes them first."""
    stall: float = 20.0
    """Without reading any of a pending response."""
    linger: float = 10.0
    """From the end of a response to a request whose body was not wanted, for the client to notice."""


class Phase(Enum):
    """What a connection is waiting for."""

    IDLE = "idle"  # the next request
    HEAD = "head"  # the rest of a request's head
    RESPONSE = "response"  # the body, if any, and the server's response
    CLOSING = "closing"  # the client's end of the connection: ours is closed


class HttpPace:
    """Tracks one connection by the bytes received and sent. `now` is in seconds of any monotonic clock."""

    def __init__(self, limits: PaceLimits, now: float) -> None:
        self.phase = Phase.HEAD  # clients connect in order to send a request
        self.since = now
        """Since when it has been in this phase."""
        self._limits = limits
        self._tail = b""
        self._came = self._written = self._read = 0
        self._progress = now

    def received(self, data: bytes, now: float) -> bool:
        """`data` has arrived. False if the head is too long and the connection should be closed."""
        if self.phase is Phase.CLOSING:
            return True
        if self.phase is Phase.IDLE:
            self.phase, self.since, self._tail, self._came = Phase.HEAD, now, b"", 0
        self._came += len(data)
        if self.phase is Phase.HEAD:
            window = self._tail + data
            if any(end in window for end in _ENDS):
                self.phase, self.since, self._came = Phase.RESPONSE, now, 0
            elif self._came > MAX_HEAD:
                return False
            self._tail = window[-3:]
        return True

    def sent(self, count: int, now: float, interim: bool = False) -> None:
        """`count` bytes of a response, or of an `interim` one such as 100 Continue, were written to the transport."""
        self._written += count
        if not interim:
            self.phase, self.since = Phase.IDLE, now

    def closing(self, now: float) -> None:
        """The server has closed its end of the connection."""
        if self.phase is not Phase.CLOSING:
            self.phase, self.since = Phase.CLOSING, now

    def overdue(self, now: float, buffered: int) -> str | None:
        """What the client was too slow to do, or None; `buffered` is the number of response bytes still unsent."""
        if not buffered or self._written - buffered > self._read:
            self._read, self._progress = self._written - buffered, now
        if now - self._progress > self._limits.stall:
            return "read"
        took = now - self.since
        match self.phase:
            case Phase.HEAD:
                return "send a head" if took > self._limits.head else None
            case Phase.RESPONSE:
                return "send a body" if took > self._limits.answer + self._came / self._limits.pace else None
            case Phase.CLOSING:
                return "hang up" if took > self._limits.linger and not buffered else None
        return "send a request" if took > self._limits.idle and not buffered else None
