from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace

import httpx
import pytest
from pydantic import SecretStr

from streamer.live.fanout import ClosedError
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.live.web import health
from streamer.live.web.server import WebServer
from streamer.runtime.event_loop import LoopThread
from streamer.settings.web import WebConfig
from tests.rigs.live.producing import Producer
from tests.rigs.live.web_client import web_client
from tests.rigs.live.web_rig import WAIT, serving, until

TOKEN = "a-long-secret"


def quiet(name: str = "door", snapshot: Snapshot | None = None) -> StreamOutput:
    """A stream that publishes nothing."""
    return StreamOutput(name, lambda: snapshot or Snapshot(name))


def ask(server: WebServer, test: Callable[[httpx.AsyncClient], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        async with web_client(f"http://127.0.0.1:{server.port}") as http:
            await asyncio.wait_for(test(http), 30)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/door", "text/html"),
        ("/?stream=door", "text/html"),
        ("/page/page.js", "text/javascript"),
        ("/page/page.css", "text/css"),
        ("/healthz", "application/json"),
        ("/metrics", "text/plain"),
        ("/api/streams", "application/json"),
    ],
)
def test_every_page_is_there_with_headers_that_protect_it(path: str, kind: str) -> None:
    async def test(http: httpx.AsyncClient) -> None:
        answer = await http.get(path)
        assert answer.status_code == 200 and answer.headers["Content-Type"].split(";")[0] == kind and answer.content
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "veilcast"

    with serving({"door": quiet()}) as server:
        ask(server, test)


@pytest.mark.parametrize("path", ["/gate", "/page", "/page/", "/page/..%2fweb_server.py", "/page/page.py", "/a/b"])
def test_nothing_else_is_served(path: str) -> None:
    async def test(http: httpx.AsyncClient) -> None:
        answer = await http.get(path)
        assert answer.status_code == 404 and "page.js" not in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]

    with serving({"door": quiet()}) as server:
        ask(server, test)


def test_nothing_on_the_page_comes_from_elsewhere() -> None:
    async def test(http: httpx.AsyncClient) -> None:
        for path in ("/", "/page/page.js", "/page/page.css"):
            answer = await http.get(path)
            text = answer.text
            assert "http:" not in text and "https:" not in text and "//cdn" not in text and "@import" not in text

    with serving({"door": quiet()}) as server:
        ask(server, test)


def test_the_api_describes_the_streams() -> None:
    busy = Snapshot("door", "held", "rtsp://camera/door", faces=2, mask_age=0.25, viewers=3, drops={"recorder": 4})

    async def test(http: httpx.AsyncClient) -> None:
        answer = await http.get("/api/streams")
        door, gate = json.loads(answer.text, parse_constant=lambda text: pytest.fail(text))
        assert (door["name"], door["state"], door["source"]) == ("door", "held", "rtsp://camera/door")
        assert (door["faces"], door["mask_age"], door["viewers"]) == (2, 0.25, 3)
        assert door["drops"] == {"webrtc": 0, "vp8": 0, "recorder": 4}
        assert (gate["name"], gate["state"], gate["mask_age"], gate["viewers"]) == ("gate", "starting", None, 0)

    with serving({"door": quiet("door", busy), "gate": quiet("gate")}) as server:
        ask(server, test)


def test_the_token_protects_streams_and_status() -> None:
    async def test(http: httpx.AsyncClient) -> None:
        for path in ("/", "/door", "/page/page.js", "/healthz", "/metrics", "/readyz"):
            answer = await http.get(path)
            assert answer.status_code in (200, 503) and TOKEN not in answer.text
        for given in (None, "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN):
            answer = await http.get("/api/streams", headers={"Authorization": given} if given else {})
            assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
        answer = await http.get(f"/api/streams?token={TOKEN}")
        assert answer.status_code == 401
        for given in (f"Bearer {TOKEN}", f"bearer {TOKEN}"):
            answer = await http.get("/api/streams", headers={"Authorization": given})
            assert answer.status_code == 200

    with serving({"door": quiet()}, WebConfig(token=SecretStr(TOKEN))) as server:
        ask(server, test)


def test_requests_are_logged_without_what_is_secret_in_them(caplog: pytest.LogCaptureFixture) -> None:
    async def test(http: httpx.AsyncClient) -> None:
        given = {"Authorization": f"Bearer {TOKEN}"}
        answer = await http.get("/api/streams?token=in-the-query", headers=given)
        assert answer.status_code == 200
        answer = await http.delete("/whep/door/some-session", headers=given)
        assert answer.status_code == 404
        answer = await http.get("/no%0asuch/page")
        assert answer.status_code == 404

    with caplog.at_level(logging.DEBUG), serving({"door": quiet()}, WebConfig(token=SecretStr(TOKEN))) as server:
        ask(server, test)
    lines = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert any(line.startswith("GET /api/streams: 200") for line in lines)
    assert any(line.startswith("DELETE /whep/{name}/{id}: 404") for line in lines)
    for secret in (TOKEN, "in-the-query", "some-session", "such"):
        assert secret not in " ".join(lines).replace("(no such page)", "")


@pytest.mark.slow
def test_ready_means_that_every_stream_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ready(http: httpx.AsyncClient) -> tuple[int, dict[str, object]]:
        answer = await http.get("/readyz")
        return answer.status_code, answer.json()

    async def test(http: httpx.AsyncClient) -> None:
        assert await ready(http) == (503, {"ready": False, "silent": ["gate"], "unrecorded": []})
        streams.pop("gate")
        assert await ready(http) == (200, {"ready": True, "silent": [], "unrecorded": []})
        producer.paused.set()
        deadline = time.monotonic() + WAIT
        while (await ready(http))[0] == 200:
            assert time.monotonic() < deadline
        assert await ready(http) == (503, {"ready": False, "silent": ["door"], "unrecorded": []})
        answer = await http.get("/healthz")
        assert answer.status_code == 200
        producer.paused.clear()
        while (await ready(http))[0] == 503:
            assert time.monotonic() < deadline

    monkeypatch.setattr(health, "SILENCE", 0.6)
    with Producer() as producer:
        streams = {"door": producer.output, "gate": quiet("gate")}
        until(lambda: producer.published > 0)
        with serving(streams) as server:
            ask(server, test)


def test_an_address_in_use_is_an_error_and_leaves_nothing_behind() -> None:
    with serving({"door": quiet()}) as server, LoopThread() as network:
        second = WebServer({"door": quiet()}, WebConfig())
        with pytest.raises(OSError, match="in use"):
            network.run(second.start("127.0.0.1", server.port), WAIT)
        with pytest.raises(RuntimeError):
            _ = second.port
        network.run(second.close(), WAIT)


def test_closing_twice_is_fine() -> None:
    output = quiet()
    with LoopThread() as network:
        server = WebServer({"door": output}, WebConfig())
        network.run(server.start("127.0.0.1", 0), WAIT)
        network.run(server.close(), WAIT)
        network.run(server.close(), WAIT)
    output.close()
    with pytest.raises(ClosedError):
        output.packets.subscribe("late", 1).get_nowait()


def test_a_failing_snapshot_is_a_500_without_details(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Snapshot:
        raise ValueError(f"token is {TOKEN}")

    async def test(http: httpx.AsyncClient) -> None:
        answer = await http.get("/api/streams")
        assert answer.status_code == 500 and TOKEN not in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        answer = await http.get("/healthz")
        assert answer.status_code == 200

    output = quiet("door", replace(Snapshot("door")))
    output.snapshot = broken
    with serving({"door": output}) as server:
        ask(server, test)
    assert "a request failed: ValueError" in caplog.text and TOKEN not in caplog.text
