"""HTTP/1.1 as uvicorn speaks it, without its own log, with answers that arrive even if a request is refused midway."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import h11
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

LONGEST_FIELD: Final = 8190  # bytes of a header's value
_CLOSE: Final = (b"connection", b"close")
_log = logging.getLogger("veilcast.web.uvicorn")
_log.setLevel(logging.ERROR)  # bad requests must neither flood the log nor be quoted in it


def _without_details(record: logging.LogRecord) -> bool:
    """Leaves the type of an error alone, whose text may contain anything; a task that was ended is none."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, asyncio.CancelledError):
        return False
    if error is not None:
        record.msg, record.args, record.exc_info = "an answer was cut short: %s", (type(error).__name__,), None
    return True


_log.addFilter(_without_details)


class Clients(ServerState):
    """The open connections and running requests of one server; `headers` are those of answers that it makes itself."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.leaving = False
        """The server is about to stop: connections are closed after their running request."""
        self.own_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._timed = 0

    def keep_time(self, now: float) -> None:
        """`Date` of the answers from now on, in seconds since 1970."""
        if int(now) != self._timed:
            self._timed = int(now)
            self.default_headers = [(b"date", formatdate(now, usegmt=True).encode())]


class Http11(H11Protocol):
    """One connection."""

    def __init__(self, config: Config, clients: Clients) -> None:
        super().__init__(config, clients, {}, asyncio.get_running_loop())
        self.logger, self.access_log = _log, False
        self._clients, self._application = clients, self.app
        self.app = self._answer

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn's own leaves the timer, and so this object, after an error

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._clients.keep_time(time.time())
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's
        """Refuse what is not HTTP, unless an answer is already on its way: then cut it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        text = b"not HTTP\n"
        headers = [*self._clients.default_headers, *self._clients.own_headers, _CLOSE]
        headers += [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
        for event in (h11.Response(status_code=400, headers=headers, reason=b"Bad Request"), h11.Data(data=text)):
            self.transport.write(self.conn.send(event) or b"")
        self.conn.send(h11.EndOfMessage())
        self.transport.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer; after a request that was not read to its end, the connection is closed."""
        cycle = self.cycle

        async def receive_all() -> Message:
            """Also what came in shortly before the client was cut off, which uvicorn's own would forget."""
            message = await receive()
            if message["type"] == "http.disconnect" and cycle.body and not cycle.response_complete:
                rest, cycle.body = bytes(cycle.body), bytearray()
                return {"type": "http.request", "body": rest, "more_body": cycle.more_body}
            return message

        async def send_or_close(message: Message) -> None:
            last = self._clients.leaving or self.conn.their_state is h11.SEND_BODY
            if message["type"] == "http.response.start" and last:
                message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
            await send(message)

        application: ASGIApp = self._application if _is_sane(scope) else self._refuse
        try:
            await application(scope, receive_all, send_or_close)
        except asyncio.CancelledError:
            if not self._clients.leaving or cycle.response_started:
                raise
            stopping = self._plain("the server stops; send it again\n", HTTPStatus.SERVICE_UNAVAILABLE, 1)
            await stopping(scope, receive_all, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._plain("not HTTP\n", HTTPStatus.BAD_REQUEST)(scope, receive, send)

    def _plain(self, text: str, status: HTTPStatus, retry: int | None = None) -> PlainTextResponse:
        """The server's own answer, after which the connection is closed. `retry`: seconds until it may go better."""
        headers = {name.decode(): value.decode() for name, value in (*self._clients.own_headers, _CLOSE)}
        if retry is not None:
            headers["retry-after"] = str(retry)
        return PlainTextResponse(text, status, headers=headers)

    def _should_upgrade(self) -> bool:
        return False


def _is_sane(scope: Scope) -> bool:
    """Whether the head of a request is more than well-formed: a known version, a path, short fields."""
    return (
        scope["http_version"] in ("1.0", "1.1")
        and scope["raw_path"].startswith(b"/")
        and all(len(value) <= LONGEST_FIELD for _, value in scope["headers"])
    )
