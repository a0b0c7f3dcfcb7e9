"""The RTSP server: live streams for any player or recorder (RFC 2326, RTP over TCP and over UDP unicast)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping

from streamer.guard.acceptor import Acceptor, ClientConnection
from streamer.guard.connection_caps import Caps
from streamer.live.rtsp.auth import Authenticator
from streamer.live.rtsp.connection import Connection, Hub, RtspLimits
from streamer.live.rtsp.message import Response
from streamer.live.rtsp.session import Sessions
from streamer.live.stream_output import StreamOutput
from streamer.settings.rtsp import RtspConfig

_log = logging.getLogger("veilcast.rtsp")

_CHECK = 0.5  # seconds between checks for clients that keep the server waiting
_GOODBYE = 0.5  # seconds to send buffered data when the server closes


class RtspServer:
    """Serves each of `streams` at the path /NAME to any number of clients, all of which get the same packets.

    Not thread-safe: call all methods from the event loop's thread. A client that lags loses its own packets and resumes
    at a key frame; the others are not affected.
    """

    def __init__(
        self, streams: Mapping[str, StreamOutput], config: RtspConfig, limits: RtspLimits | None = None
    ) -> None:
        """`limits` overrides the limits from `config`."""
        own = RtspLimits(clients=Caps(config.max_clients, config.max_clients_per_address))
        self._streams, self._config, self._limits = streams, config, limits or own
        self._acceptor: Acceptor | None = None
        self._hub: Hub | None = None
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._timeout_task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def port(self) -> int:
        """The port that it listens on. Raises RuntimeError before `start`."""
        if self._acceptor is None:
            raise RuntimeError("the RTSP server has not been started")
        return self._acceptor.port

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`; port 0 picks any free port. Raises OSError if the address cannot be used."""
        config = self._config
        auth = None
        if config.user is not None and config.password is not None:
            auth = Authenticator(config.user, config.password.get_secret_value())
        sessions = Sessions(config.session_timeout, self._limits.clients, time.monotonic)
        hub = self._hub = Hub(self._streams, auth, sessions, self._limits, asyncio.get_running_loop())
        refusal = bytes(Response(503, (("Connection", "close"),)))
        acceptor = Acceptor("RTSP", lambda: _RtspClientConnection(hub, self._serve), self._limits.clients, refusal)
        await acceptor.listen(host, port)
        self._acceptor = acceptor
        self._timeout_task = asyncio.create_task(self._check_timeouts(self._hub), name="veilcast-rtsp-timeouts")
        _log.info("RTSP on %s:%d for %s", host, self.port, ", ".join(sorted(self._streams)))

    async def close(self) -> None:
        """Send BYE to all clients and close their connections, within two seconds. May be called twice."""
        self._closing = True
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            acceptor.close()
        if self._timeout_task is not None:
            self._timeout_task.cancel()
            await asyncio.wait([self._timeout_task], timeout=_GOODBYE)
        if self._hub is not None:
            for feed in self._hub.feeds.values():
                feed.close()
        for connection in self._connections:
            connection.hang_up(False)
        for at_once in (False, True):
            tasks = list(self._connections.values())
            if tasks:
                await asyncio.wait(tasks, timeout=_GOODBYE)
            for connection, task in list(self._connections.items()):
                connection.hang_up(True)
                if at_once:
                    task.cancel()
        if self._hub is not None:
            for session in list(self._hub.viewers):
                self._hub.sessions.remove(session)
                self._hub.close(session)

    def viewers(self, name: str) -> int:
        """How many clients are playing the stream; 0 for an unknown stream."""
        feed = self._hub.feeds.get(name) if self._hub else None
        return len(feed) if feed else 0

    def drops(self, name: str) -> dict[str, int]:
        """Packets lost by lagging clients of the stream; see `Feed.drops`."""
        feed = self._hub.feeds.get(name) if self._hub else None
        return feed.drops if feed is not None else {}

    def _serve(self, connection: Connection, writer: asyncio.StreamWriter) -> None:
        if self._closing:
            connection.hang_up(True)
            return
        task = asyncio.create_task(self._until_left(connection, writer), name="veilcast-rtsp")
        self._connections[connection] = task

    async def _until_left(self, connection: Connection, writer: asyncio.StreamWriter) -> None:
        try:
            await connection.serve()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), _GOODBYE)
        except Exception:  # noqa: BLE001 - a bug must end only this connection
            _log.exception("an RTSP connection failed")
        finally:
            del self._connections[connection]
            connection.hang_up(True)

    async def _check_timeouts(self, hub: Hub) -> None:
        while True:
            await asyncio.sleep(_CHECK)
            now = hub.sessions.clock()
            hub.check_timeouts(now)
            for connection in list(self._connections):
                connection.check_timeouts(now)


class _RtspClientConnection(ClientConnection):
    """Serves an accepted connection as RTSP."""

    def __init__(self, hub: Hub, serve: Callable[[Connection, asyncio.StreamWriter], None]) -> None:
        super().__init__(asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._begin))
        self._hub, self._serve = hub, serve
        self._connection: Connection | None = None

    @property
    def idle_since(self) -> float | None:
        """Since when it has not been playing; None while it plays."""
        return super().idle_since if self._connection is None else self._connection.idle_since

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connection = Connection(self._hub, reader, writer)
        self._serve(self._connection, writer)
