"""The HTTP server over real sockets, in front of a small application."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Coroutine

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from streamer.guard.connection_caps import Caps
from streamer.guard.http_pace import PaceLimits
from streamer.http.body_cap import BodyCap
from streamer.http.error_pages import ErrorPages, plain_error
from streamer.http.protection import SecurityHeaders, security_headers
from streamer.http.server import HttpServer

WAIT = 15.0  # seconds
CAP = 100_000  # bytes
BIG = 8_000_000  # bytes; more than both ends' socket buffers hold
POLICY = "default-src 'none'; sandbox"


def application() -> ErrorPages:
    app = FastAPI(openapi_url=None)
    app.add_exception_handler(HTTPException, plain_error)

    @app.post("/read")
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    @app.post("/locked")
    async def locked() -> None:
        raise HTTPException(401, "a token is required", {"WWW-Authenticate": "Bearer"})

    @app.get("/hello")
    async def hello() -> PlainTextResponse:
        return PlainTextResponse("hello", headers={"Cache-Control": "max-age=1"})

    @app.get("/slow")
    async def slow(seconds: float) -> PlainTextResponse:
        await asyncio.sleep(seconds)
        return PlainTextResponse("done")

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("secret")

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def words() -> object:
            yield b"begun"
            await asyncio.sleep(3600)

        return StreamingResponse(words())  # type: ignore[arg-type]

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def words() -> object:
            yield b"half"
            raise ValueError("secret")

        return StreamingResponse(words())  # type: ignore[arg-type]

    headers = security_headers(POLICY)
    return ErrorPages(SecurityHeaders(BodyCap(app, CAP, ("/elsewhere",)), headers))


Test = Callable[[HttpServer, asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def run(test: Test, limits: PaceLimits | None = None, grace: float = 0.3) -> None:
    async def main() -> None:
        headers, caps = security_headers(POLICY), Caps(9, 9)
        server = HttpServer(application(), name="test", caps=caps, limits=limits, headers=headers, grace=grace)
        await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            await asyncio.wait_for(test(server, reader, writer), WAIT)
        finally:
            writer.close()
            await server.close()

    asyncio.run(main())


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))


@pytest.mark.parametrize(("path", "status"), [("/read", 413), ("/locked", 401), ("/nowhere", 404), ("/hello", 405)])
@pytest.mark.parametrize("told", [True, False])
def test_who_is_refused_while_still_sending_gets_to_know_why(path: str, status: int, told: bool) -> None:
    async def test(_: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = b"Content-Length: %d" % BIG if told else b"Transfer-Encoding: chunked"
        writer.write(b"POST %b HTTP/1.1\r\nHost: h\r\n%b\r\n\r\n" % (path.encode(), length))
        if not told:
            writer.write(b"%x\r\n" % BIG)
        writer.write(bytes(BIG))
        await writer.drain()
        found, headers, _text = await answer(reader)
        assert found == status and headers["connection"] == "close" and headers["content-security-policy"] == POLICY
        assert await reader.read() == b""

    run(test)


def test_a_refused_body_that_is_already_there_costs_nobody_the_connection() -> None:
    async def test(_: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _turn in range(2):
            writer.write(b"POST /locked HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345")
            found, headers, text = await answer(reader)
            assert (found, text, headers["www-authenticate"]) == (401, b"a token is required", "Bearer")
            assert "connection" not in headers

    run(test)


def test_who_asks_before_sending_is_told_to_go_on_or_refused() -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"POST /read HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % CAP)
        assert (await answer(reader))[0] == 100
        for _ in range(CAP // 10_000):  # more than a head may have, and no blank line in it
            writer.write(b"x" * 10_000)
            await writer.drain()
        assert (await answer(reader))[::2] == (200, str(CAP).encode())
        writer.write(head % (CAP + 1))
        assert (await answer(reader))[0] == 413

    run(test)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /hello HTTP/9.9\r\nHost: h\r\n\r\n",
        b"GET http://h/hello HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /hello HTTP/1.1\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n",
        b"GET /hello HTTP/1.1\r\nHost: h\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_with_headers_that_protect(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        status, headers, _ = await answer(reader)
        assert status == 400 and headers["content-security-policy"] == POLICY and headers["server"] == "veilcast"
        assert headers["connection"] == "close" and await reader.read() == b""

    with caplog.at_level(logging.DEBUG):
        run(test)
    assert "Traceback" not in caplog.text and "secret" not in caplog.text and "Invalid" not in caplog.text


def test_garbage_after_a_request_does_not_disturb_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n\x00garbage\r\n\r\n")
        status, headers, text = await answer(reader)
        assert (status, text) == (200, b"hello")
        assert headers["cache-control"] == "max-age=1"  # its own stays
        assert (await answer(reader))[0] == 400

    run(test)
    assert caplog.text == ""


def test_garbage_in_a_body_during_the_answer_cuts_it(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /endless HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        await reader.readuntil(b"begun")
        writer.write(b"garbage\r\n")
        assert await reader.read() == b"\r\n"

    run(test)
    assert caplog.text == ""


def test_a_failure_is_a_500_without_details_and_half_an_answer_looks_like_one(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\n")
        status, headers, text = await answer(reader)
        assert status == 500 and b"secret" not in text and headers["content-security-policy"] == POLICY
        writer.write(b"GET /half HTTP/1.1\r\nHost: h\r\n\r\n")
        said = await reader.read()
        assert b"half" in said and b"0\r\n\r\n" not in said  # no last chunk

    run(test)
    assert "a request failed: ValueError" in caplog.text and "secret" not in caplog.text


def test_closing_ends_endless_answers_and_idle_connections() -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        idle, other = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"begun")
        await server.close()
        await server.close()
        assert b"0\r\n\r\n" not in await reader.read() and await idle.read() == b""
        other.close()
        with pytest.raises(RuntimeError):
            _ = server.port

    run(test)


def test_closing_lets_requests_end_and_tells_others_to_come_again() -> None:
    async def ask(server: HttpServer, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /slow?seconds=%.1f HTTP/1.1\r\nHost: h\r\n\r\n" % seconds)
        return reader, writer

    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        short, long = await ask(server, 0.7), await ask(server, 3600)
        await asyncio.sleep(0.2)  # both have begun
        begun = time.monotonic()
        closing = asyncio.create_task(server.close())
        assert await reader.read() == b"" and time.monotonic() - begun < 0.4, "who is idle is let go at once"
        found, headers, text = await answer(short[0])
        assert (found, text, headers["connection"]) == (200, b"done", "close") and await short[0].read() == b""
        found, headers, _ = await answer(long[0])
        assert (found, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        assert headers["content-security-policy"] == POLICY and await long[0].read() == b""
        await closing
        assert 1.5 <= time.monotonic() - begun < 3
        for _, other in (short, long):
            other.close()

    run(test, grace=1.5)


def test_it_can_start_again_and_a_taken_port_is_an_error() -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        second = HttpServer(application(), name="second", caps=Caps(9, 9))
        with pytest.raises(OSError, match="in use"):
            await second.start("127.0.0.1", server.port)
        await second.start("127.0.0.1", 0)
        assert second.hosts == ("127.0.0.1",) and second.port != server.port
        await second.close()

    run(test)


@pytest.mark.slow
def test_who_never_hangs_up_is_hung_up_on() -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /locked HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n")
        assert (await answer(reader))[0] == 401
        with pytest.raises(ConnectionError):
            while True:
                writer.write(bytes(1000))
                await writer.drain()
                await asyncio.sleep(0.01)

    run(test, PaceLimits(linger=1.0))


def test_paths_with_a_cap_of_their_own_and_other_scopes_are_left_alone() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(f"{scope['type']} {(await receive())['type']}")

    async def main() -> None:
        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"longer than that"}

        async def send(_: object) -> None: ...

        app = ErrorPages(SecurityHeaders(BodyCap(inner, 3, ("/elsewhere",))))
        await app({"type": "lifespan"}, receive, send)
        await app({"type": "http", "path": "/elsewhere/x", "headers": []}, receive, send)

    asyncio.run(main())
    assert seen == ["lifespan http.request", "http http.request"]


def test_an_answer_leaves_whole_and_at_once() -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await reader.read(65536)).endswith(b"\r\n\r\nhello")
        [connection] = server._clients.connections
        taken: socket.socket = connection.transport.get_extra_info("socket")
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(test)


def test_who_leaves_while_sending_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345")
        await writer.drain()
        while not server._clients.tasks:
            await asyncio.sleep(0)
        writer.transport.abort()
        while server._clients.tasks:
            await asyncio.sleep(0)

    run(test)
    assert caplog.text == ""
