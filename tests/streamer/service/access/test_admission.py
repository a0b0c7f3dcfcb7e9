"""The middleware: what is refused never reaches the app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio import to_thread

from streamer.http.host_names import HostNames
from streamer.service.access.admission import AccessGate, Receive, Scope, Send
from streamer.service.access.caller import Role
from streamer.service.access.decision import AccessRules
from streamer.service.access.sessions import LoginSessions
from streamer.service.access.tokens import Tokens
from streamer.service.store.database import BusyError, Database


async def app(scope: Scope, _: Receive, send: Send) -> None:
    caller = scope.get("state", {}).get("caller")
    body = b"nobody" if caller is None else f"{caller.owner} {caller.address}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    database = Database.in_file(tmp_path / "x.db")
    database.migrate()
    return Tokens(database)


def client(tokens: Tokens) -> httpx.AsyncClient:
    rules = AccessRules(tokens, LoginSessions(tokens), HostNames([], "127.0.0.1"), loopback=True)
    transport = httpx.ASGITransport(AccessGate(app, rules), client=("127.0.0.1", 5))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")


@pytest.mark.anyio
async def test_the_app_is_told_who_asks_or_is_not_asked(tokens: Tokens) -> None:
    async with client(tokens) as http:
        assert (await http.get("/v1/jobs")).text == "local 127.0.0.1"
        made, secret = tokens.create("x", [Role.VIEW])
        assert (await http.get("/v1/jobs", headers={"AUTHORIZATION": f"bearer {secret}"})).text == f"{made} 127.0.0.1"
        assert (await http.get("/healthz")).text == "nobody"
        refused = await http.get("/v1/jobs")
    assert refused.status_code == 401 and refused.headers["Content-Type"] == "application/problem+json"
    said = {"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "a token is required"}
    assert refused.json() == said and refused.headers["Cache-Control"] == "no-store"
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="veilcast"'


@pytest.mark.anyio
async def test_a_proxy_is_seen_and_head_has_no_body(tokens: Tokens) -> None:
    async with client(tokens) as http:
        for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"):
            refused = await http.head("/v1/jobs", headers={name: "1.2.3.4"})
            assert (refused.status_code, refused.content) == (403, b"") and int(refused.headers["Content-Length"]) > 0


@pytest.mark.anyio
async def test_a_busy_database_is_said_so(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_: Tokens) -> bool:
        raise BusyError("locked")

    monkeypatch.setattr(Tokens, "ever_made", busy)
    async with client(tokens) as http:
        answer = await http.get("/v1/jobs")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


@pytest.mark.anyio
async def test_health_and_the_page_need_no_thread(tokens: Tokens) -> None:
    limiter = to_thread.current_default_thread_limiter()
    before, limiter.total_tokens = limiter.total_tokens, 0
    try:
        async with client(tokens) as http:
            for path in ("/healthz", "/readyz", "/", "/page/page.js"):
                async with asyncio.timeout(10):
                    assert (await http.get(path)).text == "nobody"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await http.get("/v1/jobs")
    finally:
        limiter.total_tokens = before


@pytest.mark.anyio
async def test_what_is_no_http_request_is_closed(tokens: Tokens) -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError

    rules = AccessRules(tokens, LoginSessions(tokens), HostNames([], "x"), loopback=True)
    await AccessGate(app, rules)({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert json.dumps(sent) == '[{"type": "websocket.close", "code": 1008}]'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
