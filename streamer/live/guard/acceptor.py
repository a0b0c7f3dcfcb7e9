"""Takes in connections for any asyncio protocol: so many in all and from one address.

asyncio's own servers know no cap, and where descriptors run out they ask for the next connection without a pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable

from streamer.live.guard.connection_caps import Caps, FullError, Place, make_room, party_of

_log = logging.getLogger("veilcast.network")

_BACKLOG = 128
_AT_ONCE = 32  # connections before others have their turn
_BACK_OFF = 0.5  # seconds without accepting when the system has no more descriptors
_LOOK = 0.5  # seconds between two looks after clients that keep us waiting
_REPEAT = 5.0  # seconds: no more often than this the same trouble is told


class Guest(asyncio.Protocol):
    """One connection; passes on to the protocol that serves it."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self.inner = inner
        self.transport: asyncio.Transport | None = None
        self.left: Callable[[], None] = lambda: None
        """Called, once, when the connection is gone."""
        self._since = time.monotonic()

    @property
    def idle_since(self) -> float | None:
        """Since when nothing of use happens on it, in seconds of `time.monotonic()`; None while it is of use."""
        return self._since

    def look_after(self, now: float) -> None:
        """Close it if the client keeps the server waiting."""

    def give_way(self) -> None:
        """Close it at once, for somebody else."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self.left()
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.inner.resume_writing()


class Acceptor:
    """Listens, and makes a guest with `welcome` of every connection that there is a place for.

    Others are sent `refusal` and closed. `name` is for the log. All methods are for the thread of one event loop.
    """

    def __init__(self, name: str, welcome: Callable[[], Guest], caps: Caps, refusal: bytes) -> None:
        self._name, self._welcome, self._caps, self._refusal = name, welcome, caps, refusal
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._guests: dict[Guest, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._told = float("-inf")

    def __len__(self) -> int:
        return len(self._guests)

    @property
    def port(self) -> int:
        """The port that is listened on. Raises RuntimeError when it is none."""
        if not self._sockets:
            raise RuntimeError("the server has not been started")
        name: tuple[str, int] = self._sockets[0].getsockname()
        return name[1]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses that are listened on."""
        return tuple(str(listening.getsockname()[0]) for listening in self._sockets)

    async def listen(self, host: str, port: int) -> None:
        """Listen on `host`, on any free port for 0. Raises OSError that says what is wrong with the address."""
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                self._sockets.append(_listening(family, (address[0], port or self._some_port(), *address[2:])))
        except OSError:
            self.close()
            raise
        for listening in self._sockets:
            self._loop.add_reader(listening, self._take_some, listening)
        self._look()

    def close(self) -> None:
        """Take in nobody any more; those who are in stay. May be called twice."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self._sockets = []

    def _some_port(self) -> int:
        return self.port if self._sockets else 0

    def _take_some(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # The connection stays in the queue, and the socket readable: ask again later, not at once.
                self._tell(f"{self._name}: no new connections for now: {error.strerror or error}")
                self._loop.remove_reader(listening)
                self._timers[listening] = self._loop.call_later(_BACK_OFF, self._resume, listening)
                return
            connection.setblocking(False)
            self._take(connection, party_of(str(address[0])))

    def _resume(self, listening: socket.socket) -> None:
        del self._timers[listening]
        self._loop.add_reader(listening, self._take_some, listening)

    def _take(self, connection: socket.socket, party: str) -> None:
        try:
            leaves = make_room(
                (Place(guest, whose, guest.idle_since) for guest, whose in self._guests.items()), party, self._caps
            )
        except FullError:
            self._tell(f"{self._name}: too many clients: one more is turned away")
            _refuse(connection, self._refusal)
            return
        if leaves is not None:
            self._tell(f"{self._name}: too many clients: one that does nothing gives way")
            self._forget(leaves)
            leaves.give_way()
        guest = self._welcome()
        guest.left = lambda: self._forget(guest)
        self._guests[guest] = party
        task = self._loop.create_task(self._begin(connection, guest), name="veilcast-accept")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self, connection: socket.socket, guest: Guest) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: guest, connection)
        except OSError:
            connection.close()
        finally:
            if guest.transport is None:
                self._forget(guest)
            elif guest not in self._guests:
                guest.give_way()  # it had to before it was there

    def _forget(self, guest: Guest) -> None:
        self._guests.pop(guest, None)

    def _look(self) -> None:
        self._timers[self] = self._loop.call_later(_LOOK, self._look)
        now = time.monotonic()
        for guest in list(self._guests):
            guest.look_after(now)

    def _tell(self, trouble: str) -> None:
        now = time.monotonic()
        if now - self._told >= _REPEAT:
            self._told = now
            _log.warning(trouble)


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
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
        # What is left unread when a socket is closed has the system reset it, and the refusal would be lost.
        connection.recv(65536)
    with contextlib.suppress(OSError):
        connection.send(refusal)
    connection.close()
