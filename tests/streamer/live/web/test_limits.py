"""Limits of the web server: host names, guessing, slow clients."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Coroutine

import httpx
import pytest
from pydantic import SecretStr

from streamer.guard.http_pace import PaceLimits
from streamer.live.web.server import WebServer
from streamer.settings.web import WebConfig
from tests.rigs.live.web_client import web_client
from tests.rigs.live.web_rig import WAIT, quiet, serving

TOKEN = "a-long-secret"
OFFER = b"POST /whep/door HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/sdp\r\n"


def ask(server: WebServer, test: Callable[[httpx.AsyncClient], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        async with web_client(f"http://127.0.0.1:{server.port}") as http:
            await asyncio.wait_for(test(http), 30)

    asyncio.run(run())


def test_a_foreign_page_cannot_use_its_own_host_name() -> None:
    """DNS rebinding: the attacker's host name points here, so that his page counts as same-origin."""

    async def test(http: httpx.AsyncClient) -> None:
        for host in ("evil.example", f"evil.example:{server.port}"):
            for path in ("/", "/door", "/page/page.js", "/api/streams"):
                answer = await http.get(path, headers={"Host": host})
                assert answer.status_code == 421 and "live.web.hosts" in answer.text
            answer = await http.post("/whep/door", content="v=0", headers={"Host": host})
            assert answer.status_code == 421
            answer = await http.get("/metrics", headers={"Host": host})
            assert answer.status_code == 200
        for host in ("127.0.0.1", "localhost:8080", socket.gethostname(), "192.0.2.7:8080", "nas.example"):
            answer = await http.get("/api/streams", headers={"Host": host})
            assert answer.status_code == 200

    with serving({"door": quiet()}, WebConfig(hosts=("nas.example",))) as server:
        ask(server, test)


def test_with_a_token_any_host_name_is_allowed() -> None:
    async def test(http: httpx.AsyncClient) -> None:
        for token, status in ((None, 401), (TOKEN, 200)):
            headers = {"Host": "door.example"} | ({"Authorization": f"Bearer {token}"} if token else {})
            answer = await http.get("/api/streams", headers=headers)
            assert answer.status_code == status

    with serving({"door": quiet()}, WebConfig(token=SecretStr(TOKEN))) as server:
        ask(server, test)


def test_guessing_gets_slow_and_locks_out_nobody_else() -> None:
    async def status(http: httpx.AsyncClient, token: str) -> int:
        answer = await http.get("/api/streams", headers={"Authorization": f"Bearer {token}"})
        if answer.status_code == 429:
            assert 0 < int(answer.headers["Retry-After"]) <= 60
        return answer.status_code

    async def test(browser: httpx.AsyncClient) -> None:
        address = f"http://127.0.0.1:{server.port}"
        async with (
            web_client(address) as known,
            web_client(address, {"User-Agent": "guesser"}) as guesser,
            web_client(address, {"User-Agent": "other"}, "127.0.0.9") as elsewhere,
        ):
            assert await status(known, TOKEN) == 200
            [cookie] = list(known.cookies.jar)
            assert cookie.has_nonstandard_attr("HttpOnly") and cookie.get_nonstandard_attr("SameSite") == "Strict"
            guesses = [await status(guesser, f"guess {number}") for number in range(30)]
            assert guesses[:6] == [401] * 6 and guesses.count(429) >= 22
            assert await status(guesser, TOKEN) == 429
            assert await status(known, TOKEN) == await status(elsewhere, TOKEN) == 200
            answer = await guesser.get("/door")
            assert answer.status_code == 200

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
    async def test(http: httpx.AsyncClient) -> None:
        evil = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(200)]
        for _, writer in evil:
            writer.write(b"GET / HT")
        for _ in range(10):
            answer = await http.get("/api/streams", headers={"Connection": "close"})
            assert answer.status_code == 200
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
