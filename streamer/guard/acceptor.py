"""Accepts connections for any asyncio protocol, with a cap in total and per client address.

asyncio's own servers have no such cap, and when file descriptors run out they retry `accept` in a busy loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable

from streamer.guard.connection_caps import Caps, FullError, Slot, client_key, pick_eviction

_log = logging.getLogger("veilcast.network")

_BACKLOG = 128
_BATCH = 32  # connections accepted before the event loop gets to do anything else
_BACK_OFF = 0.5  # seconds to stop accepting when the process is out of file descriptors
_CHECK = 0.5  # seconds between checks for clients that keep the server waiting
_REPEAT = 5.0  # seconds between two warnings


class ClientConnection(asyncio.Protocol):
    """One accepted connection; forwards to the protocol that serves it."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self.inner = inner
        self.transport: asyncio.Transport | None = None
        self.on_closed: Callable[[], None] = lambda: None
        """Called once, when the connection is closed."""
        self._since = time.monotonic()

    @property
    def idle_since(self) -> float | None:
        """Since when it has been idle, in seconds of `time.monotonic()`; None while it is in use."""
        return self._since

    def check_timeouts(self, now: float) -> None:
        """Close it if the client has kept the server waiting for too long."""

    def evict(self) -> None:
        """Close it at once to make room for another client."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The client has stopped sending."""
        return self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self.on_closed()
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.inner.resume_writing()


class Acceptor:
    """Listens, and wraps every accepted socket in a `ClientConnection` made by `make`, within `caps`.

    Sockets beyond the caps are sent `refusal` and closed. `name` is for the log. Not thread-safe: call all methods from
    the event loop's thread.
    """

    def __init__(self, name: str, make: Callable[[], ClientConnection], caps: Caps, refusal: bytes) -> None:
        self._name, self._make, self._caps, self._refusal = name, make, caps, refusal
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._connections: dict[ClientConnection, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._warned = float("-inf")

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def port(self) -> int:
        """The port that it listens on. Raises RuntimeError while it does not listen."""
        if not self._sockets:
            raise RuntimeError("the server has not been started")
        name: tuple[str, int] = self._sockets[0].getsockname()
        return name[1]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses that it listens on."""
        return tuple(str(listening.getsockname()[0]) for listening in self._sockets)

    async def listen(self, host: str, port: int) -> None:
        """Listen on `host`; port 0 picks any free port. Raises OSError if the address cannot be used."""
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                self._sockets.append(_listening(family, (address[0], port or self._some_port(), *address[2:])))
        except OSError:
            self.close()
            raise
        for listening in self._sockets:
            self._loop.add_reader(listening, self._accept_some, listening)
        self._check_all()

    def close(self) -> None:
        """Stop accepting; open connections stay open. May be called twice."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self._sockets = []

    def _some_port(self) -> int:
        return self.port if self._sockets else 0

    def _accept_some(self, listening: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # The connection stays in the backlog and the socket readable: try again later, not at once.
                self._warn(f"{self._name}: cannot accept connections for now: {error.strerror or error}")
                self._loop.remove_reader(listening)
                self._timers[listening] = self._loop.call_later(_BACK_OFF, self._resume, listening)
                return
            accepted.setblocking(False)
            with contextlib.suppress(OSError):  # it may be gone already
                # asyncio does this for sockets that it made itself. Without it, the second part of an answer waits
                # until the client's system has acknowledged the first: 40 ms.
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._admit(accepted, client_key(str(address[0])))

    def _resume(self, listening: socket.socket) -> None:
        del self._timers[listening]
        self._loop.add_reader(listening, self._accept_some, listening)

    def _admit(self, accepted: socket.socket, client: str) -> None:
        slots = (Slot(held, by, held.idle_since) for held, by in self._connections.items())
        try:
            evicted = pick_eviction(slots, client, self._caps)
        except FullError:
            self._warn(f"{self._name}: too many clients: a new connection was refused")
            _refuse(accepted, self._refusal)
            return
        if evicted is not None:
            self._warn(f"{self._name}: too many clients: an idle connection was closed to make room")
            self._forget(evicted)
            evicted.evict()
        connection = self._make()
        connection.on_closed = lambda: self._forget(connection)
        self._connections[connection] = client
        task = self._loop.create_task(self._begin(accepted, connection), name="veilcast-accept")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self, accepted: socket.socket, connection: ClientConnection) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:
            accepted.close()
        finally:
            if connection.transport is None:
                self._forget(connection)
            elif connection not in self._connections:
                connection.evict()  # it was chosen for eviction before it had a transport

    def _forget(self, connection: ClientConnection) -> None:
        self._connections.pop(connection, None)

    def _check_all(self) -> None:
        self._timers[self] = self._loop.call_later(_CHECK, self._check_all)
        now = time.monotonic()
        for connection in list(self._connections):
            connection.check_timeouts(now)

    def _warn(self, trouble: str) -> None:
        now = time.monotonic()
        if now - self._warned >= _REPEAT:
            self._warned = now
            _log.warning(trouble)


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    # asyncio sends small pieces at once (TCP_NODELAY) only on sockets that say that they are TCP.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _refuse(connection: socket.socket, refusal: bytes) -> None:
    with contextlib.suppress(OSError):
        # Closing a socket with unread data makes the kernel send a reset, and the refusal would be lost.
        connection.recv(65536)
    with contextlib.suppress(OSError):
        connection.send(refusal)
    connection.close()
