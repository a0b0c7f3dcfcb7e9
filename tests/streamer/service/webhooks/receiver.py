"""A server that receives webhooks, a clock, and rows to send."""

from __future__ import annotations

import queue
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from streamer.service.jobs.event import WebhookEvent
from streamer.service.store.database import Database
from streamer.service.store.tables import JobRow
from streamer.service.webhooks.deliveries import Deliveries

SHA = "0" * 64


class Clock:
    """Seconds since 1970, as a test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Received:
    """A request, as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes


Respond = Callable[[BaseHTTPRequestHandler, Received], None]


class Receiver:
    """Keeps what it receives in `received`, and answers as it is told."""

    def __init__(self, respond: Respond, tls: ssl.SSLContext | None = None) -> None:
        self.received: queue.Queue[Received] = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Received(self.path, headers, body)
                receiver.received.put(request)
                respond(self, request)

            do_GET = do_POST  # noqa: N815 - http.server's name

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that hangs up is what some tests are about

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?x=1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="receiver")

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def status(code: int, **headers: str) -> Respond:
    def respond(handler: BaseHTTPRequestHandler, _: Received) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return respond


def silence() -> Respond:
    """Answers nothing while the client is there."""

    def respond(handler: BaseHTTPRequestHandler, _: Received) -> None:
        handler.connection.settimeout(60)
        handler.connection.recv(1)

    return respond


def add_job(database: Database, job: str, owner: str = "local") -> None:
    with database.writing() as session:
        session.add(
            JobRow(
                id=job,
                owner=owner,
                state="running",
                input_sha256=SHA,
                input_bytes=1,
                settings="{}",
                engine="test",
                attempts=1,
                setbacks=0,
                progress=0.0,
                created=0.0,
            )
        )


def plan(database: Database, deliveries: Deliveries, job: str, url: str, secret: str | None = None) -> str:
    with database.writing() as session:
        return deliveries.plan(session, job, url, secret)


def end(database: Database, deliveries: Deliveries, job: str, body: str = "{}") -> None:
    with database.writing() as session:
        deliveries.ended(session, job, WebhookEvent.DONE, body)
