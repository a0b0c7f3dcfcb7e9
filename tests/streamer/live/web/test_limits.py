"""Limits of the web server: host names, guessing, slow clients."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Coroutine

import aiohttp
import pytest
from pydantic import SecretStr

from streamer.guard.http_pace import PaceLimits
from streamer.live.web.server import WebServer
from streamer.settings.web import WebConfig
from tests.rigs.live.web_rig import WAIT, quiet, serving

TOKEN = "a-long-secret"
OFFER = b"POST /whep/door HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/sdp\r\n"


def ask(server: WebServer, test: Callable[[aiohttp.ClientSession], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
            await asyncio.wait_for(test(http), 30)

    asyncio.run(run())


def test_a_foreign_page_cannot_use_its_own_host_name() -> None:
    """DNS rebinding: the attacker's host name points here, so that his page counts as same-origin."""

    async def test(http: aiohttp.ClientSession) -> None:
        for host in ("evil.example", f"evil.example:{server.port}"):
            for path in ("/", "/door", "/page/page.js", "/api/streams"):
                async with http.get(path, headers={"Host": host}) as answer:
                    assert answer.status == 421 and "live.web.hosts" in await answer.text()
            async with http.post("/whep/door", data="v=0", headers={"Host": host}) as answer:
                assert answer.status == 421
            async with http.get("/metrics", headers={"Host": host}) as answer:
                assert answer.status == 200
        for host in ("127.0.0.1", "localhost:8080", socket.gethostname(), "192.0.2.7:8080", "nas.example"):
            async with http.get("/api/streams", headers={"Host": host}) as answer:
                assert answer.status == 200

    with serving({"door": quiet()}, WebConfig(hosts=("nas.example",))) as server:
        ask(server, test)


def test_with_a_token_any_host_name_is_allowed() -> None:
    async def test(http: aiohttp.ClientSession) -> None:
        for token, status in ((None, 401), (TOKEN, 200)):
            headers = {"Host": "door.example"} | ({"Authorization": f"Bearer {token}"} if token else {})
            async with http.get("/api/streams", headers=headers) as answer:
                assert answer.status == status

    with serving({"door": quiet()}, WebConfig(token=SecretStr(TOKEN))) as server:
        ask(server, test)


def test_guessing_gets_slow_and_locks_out_nobody_else() -> None:
    async def status(http: aiohttp.ClientSession, token: str) -> int:
        async with http.get("/api/streams", headers={"Authorization": f"Bearer {token}"}) as answer:
            if answer.status == 429:
                assert 0 < int(answer.headers["Retry-After"]) <= 60
            return answer.status

    async def test(browser: aiohttp.ClientSession) -> None:
        address = f"http://127.0.0.1:{server.port}"
        # The jar of a browser: aiohttp's keeps no cookies of plain addresses unless told to.
        jar = aiohttp.CookieJar(unsafe=True)
        async with (
            aiohttp.ClientSession(address, cookie_jar=jar) as known,
            aiohttp.ClientSession(address, headers={"User-Agent": "guesser"}) as guesser,
            aiohttp.ClientSession(
                address,
                headers={"User-Agent": "other"},
                connector=aiohttp.TCPConnector(local_addr=("127.0.0.9", 0)),
            ) as elsewhere,
        ):
            assert await status(known, TOKEN) == 200
            [cookie] = list(jar)
            assert cookie["httponly"] and cookie["samesite"] == "Strict"
            guesses = [await status(guesser, f"guess {number}") for number in range(30)]
            assert guesses[:6] == [401] * 6 and guesses.count(429) >= 22
            assert await status(guesser, TOKEN) == 429
            assert await status(known, TOKEN) == await status(elsewhere, TOKEN) == 200
            async with guesser.get("/door") as answer:
                assert answer.status == 200

    with serving({"door": quiet()}, WebConfig(token=SecretStr(TOKEN))) as server:
        ask(server, test)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        OFFER + b"Content-Length: 99\r\n\r\nv=0",
        OFFER + b"Transfer-Encoding: chunked\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
)
def test_slow_clients_are_disconnected(sent: bytes) -> None:
    limits = PaceLimits(head=1.0, answer=1.0, idle=1.0, stall=1.0)
    with (
        serving({"door": quiet()}, limits=limits) as server,
        socket.create_connection(("127.0.0.1", server.port), WAIT) as slow,
    ):
        slow.sendall(sent)
        begun = time.monotonic()
        while slow.recv(65536):
            pass
        assert 0.5 < time.monotonic() - begun < 5


def test_half_requests_keep_nobody_out() -> None:
    async def test(http: aiohttp.ClientSession) -> None:
        evil = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(200)]
        for _, writer in evil:
            writer.write(b"GET / HT")
        for _ in range(10):
            async with http.get("/api/streams", headers={"Connection": "close"}) as answer:
                assert answer.status == 200
        for _, writer in evil:
            writer.close()

    config = WebConfig(max_connections=20, max_connections_per_address=10)
    with serving({"door": quiet()}, config) as server:
        ask(server, test)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"password" * 2000 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"password\r\n\r\n",
    ],
)
def test_non_http_input_is_refused_and_not_quoted_in_the_log(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        serving({"door": quiet()}) as server,
        socket.create_connection(("127.0.0.1", server.port), WAIT) as stranger,
    ):
        stranger.sendall(sent)
        assert b" 400 " in stranger.recv(65536).partition(b"\r\n")[0]
    assert "Traceback" not in caplog.text and "password" not in caplog.text


def test_a_udp_address_of_another_machine_is_an_error_at_start() -> None:
    config = WebConfig.model_validate({"udp_host": "192.0.2.77"})
    with pytest.raises(OSError, match=r"live\.web\.udp_host 192\.0\.2\.77"), serving({"door": quiet()}, config):
        pass
