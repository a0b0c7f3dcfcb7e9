"""Serves an ASGI application over HTTP/1.1, on the event loop that it is started in, behind caps and timeouts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp
from uvicorn import Config

from streamer.guard.acceptor import Acceptor
from streamer.guard.connection_caps import Caps
from streamer.guard.http_connection import REFUSAL, HttpConnection
from streamer.guard.http_pace import MAX_HEAD, PaceLimits
from streamer.http.http11 import Clients, Http11
from streamer.http.protection import security_headers

_SPARE: Final = 60  # seconds that uvicorn's own timer for idle connections runs longer than the guard's
_CANCELLED: Final = 0.3  # seconds for requests that were cancelled
_FLUSH: Final = 0.2  # seconds for the last bytes of answers to leave
_TURNS: Final = 0.02  # seconds between looks at what is still open


class HttpServer:
    """`app` behind connection caps and `limits` on the pace of clients. Not thread-safe: use it from its event loop.

    `name` is for the log. `headers` go with the answers that the server gives itself, to what is not HTTP. Requests
    that still run `grace` seconds after `close` are cancelled, and answered 503. Lifespan events are not sent: whoever
    starts the server owns what the application needs. In an endless answer, too, something must be sent once in
    `limits.idle` seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        name: str,
        caps: Caps,
        limits: PaceLimits | None = None,
        headers: Mapping[str, str] | None = None,
        grace: float = 0.3,
    ) -> None:
        self._name, self._caps, self._grace = name, caps, grace
        self._limits = limits or PaceLimits()
        self._headers = security_headers() if headers is None else headers
        self._config = Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            interface="asgi3",
            ws="none",
            http=Http11,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(self._limits.idle) + _SPARE,
            h11_max_incomplete_event_size=MAX_HEAD,
        )
        self._acceptor: Acceptor | None = None
        self._clients = Clients(self._headers)

    @property
    def port(self) -> int:
        """The port that it listens on. Raises RuntimeError while it does not listen."""
        return self._listening().port

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses that it listens on. Raises RuntimeError while it does not listen."""
        return self._listening().hosts

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`; port 0 picks any free port. Raises OSError if an address cannot be used."""
        if not self._config.loaded:
            self._config.load()
        acceptor = Acceptor(self._name, self._connection, self._caps, REFUSAL)
        await acceptor.listen(host, port)
        self._acceptor, self._clients.leaving = acceptor, False

    def stop_listening(self) -> None:
        """Accept no more connections; those that are open go on."""
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None

    async def close(self) -> None:
        """Stop listening, let running requests end within the grace, and disconnect. May be called twice."""
        self.stop_listening()
        clients = self._clients
        clients.leaving = True
        for connection in list(clients.connections):
            connection.shutdown()  # at once if it is idle, else after its request
        end = time.monotonic() + self._grace
        while clients.tasks and (left := end - time.monotonic()) > 0:
            await asyncio.wait(list(clients.tasks), timeout=left)
        for task in list(clients.tasks):
            task.cancel()
        if clients.tasks:
            await asyncio.wait(list(clients.tasks), timeout=_CANCELLED)
        for connection in list(clients.connections):
            connection.transport.close()
        deadline = time.monotonic() + _FLUSH
        while any(each.transport.get_write_buffer_size() for each in clients.connections):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(_TURNS)
        for connection in list(clients.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # for the connections to notice

    def _connection(self) -> HttpConnection:
        return HttpConnection(Http11(self._config, self._clients), self._limits)

    def _listening(self) -> Acceptor:
        if self._acceptor is None:
            raise RuntimeError("the server has not been started")
        return self._acceptor
