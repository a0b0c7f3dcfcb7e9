"""An HTTP connection with timeouts for its client, in front of any HTTP server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any, Final

from streamer.guard.acceptor import ClientConnection
from streamer.guard.http_pace import HttpPace, PaceLimits, Phase

_log = logging.getLogger("veilcast.web")

_INTERIM: Final = b"HTTP/1.1 1"
_TOGETHER: Final = 64 * 1024  # bytes

REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 17\r\n\r\ntoo many clients\n"
)


class HttpConnection(ClientConnection):
    """Forwards to `inner`, any asyncio protocol that speaks HTTP."""

    def __init__(self, inner: asyncio.Protocol, limits: PaceLimits) -> None:
        super().__init__(inner)
        self._pace = HttpPace(limits, time.monotonic())
        self._closing = False
        self._observed: _ObservedTransport | None = None

    @property
    def idle_since(self) -> float | None:
        """Since when it has waited for its client or for the server; recent while the client is being served."""
        return self._pace.since

    def check_timeouts(self, now: float) -> None:
        """Close it if the client has kept the server waiting for too long."""
        transport = self.transport
        if transport is None:
            return
        # Check closing transports too: they stay until everything is sent, which is forever if nobody reads.
        late = self._pace.overdue(now, transport.get_write_buffer_size())
        if late is not None:
            _log.debug("a client took too long to %s", late)
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._observed = _ObservedTransport(transport, self)
        self.inner.connection_made(self._observed)

    def sent(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """These bytes were written for the client."""
        interim = self._pace.phase is Phase.RESPONSE and bytes(data[:10]) == _INTERIM
        self._pace.sent(len(data), time.monotonic(), interim)

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is served."""
        return self._closing or self.transport is None or self.transport.is_closing()

    def finish(self) -> None:
        """Send what was written and close, but not before the client has hung up, or had time to.

        The system answers bytes that come to a closed connection with a reset, at which the client's own system throws
        away what it has not read yet. So a client that is refused while it still sends would never learn why.
        """
        if self.transport is None or self.is_closing:
            return
        self._closing = True
        self._pace.closing(time.monotonic())
        self.transport.write_eof()
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if not self._pace.received(data, time.monotonic()):
            self.evict()
        elif not self._closing:
            self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The client has stopped sending."""
        if self._observed is not None:
            self._observed.flush()  # asyncio closes the connection now
        return None if self._closing else self.inner.eof_received()


class _ObservedTransport(asyncio.Transport):
    """A transport that reports what is written, closes without losing it, and stays when the protocol is switched.

    What is written in one turn of the event loop leaves together: head and body of an answer are one packet, not three.
    """

    def __init__(self, transport: asyncio.Transport, connection: HttpConnection) -> None:
        super().__init__()
        self._transport, self._connection = transport, connection
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._length = 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._connection.is_closing:
            return
        self._connection.sent(data)
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(bytes(data))
        self._length += len(data)
        if self._length > _TOGETHER:
            self.flush()  # now, so that a writer who never lets the loop turn is told when to pause

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        self.write(b"".join(list_of_data))

    def flush(self) -> None:
        """Send what waits for the end of the turn."""
        waiting, self._waiting, self._length = self._waiting, [], 0
        if waiting:
            self._transport.write(b"".join(waiting))

    def write_eof(self) -> None:
        self.flush()
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + self._length

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_closing(self) -> bool:
        return self._connection.is_closing

    def close(self) -> None:
        self.flush()
        self._connection.finish()

    def abort(self) -> None:
        self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's
        return self._transport.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._connection.inner

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._connection.inner = protocol
