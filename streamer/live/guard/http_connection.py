"""An HTTP connection under guard: its client has only so much time, whatever server stands behind."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any

from streamer.live.guard.acceptor import Guest
from streamer.live.guard.http_pace import HttpPace, PaceLimits

_log = logging.getLogger("veilcast.web")

REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 17\r\n\r\ntoo many clients\n"
)


class HttpGuest(Guest):
    """Passes on to `inner`, any asyncio protocol that speaks HTTP."""

    def __init__(self, inner: asyncio.Protocol, limits: PaceLimits) -> None:
        super().__init__(inner)
        self._pace = HttpPace(limits, time.monotonic())

    @property
    def idle_since(self) -> float | None:
        """Since when it waits, for its client or for the server; whoever is served in time has not waited for long."""
        return self._pace.since

    def look_after(self, now: float) -> None:
        """Close it if the client keeps the server waiting."""
        transport = self.transport
        if transport is None:
            return
        # Also on one that is closing: it stays until all is sent, that is for ever where nobody reads.
        late = self._pace.overdue(now, transport.get_write_buffer_size())
        if late is not None:
            _log.debug("a client took too long for %s", late)
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.inner.connection_made(_Watched(transport, self))

    def data_sent(self, count: int) -> None:
        """So many bytes for the client."""
        self._pace.sent(count, time.monotonic())

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._pace.received(data, time.monotonic()):
            self.inner.data_received(data)
        else:
            self.give_way()


class _Watched(asyncio.Transport):
    """The transport, but for telling of what is written; another protocol comes under the same guard."""

    def __init__(self, transport: asyncio.Transport, guest: HttpGuest) -> None:
        super().__init__()
        self._transport, self._guest = transport, guest

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._guest.data_sent(len(data))
        self._transport.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

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
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's
        return self._transport.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._guest.inner

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._guest.inner = protocol
