"""The live site as a part of another application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException
from prometheus_client import CollectorRegistry, generate_latest

from streamer.live.web.site import LiveSite
from streamer.settings.web import WebConfig
from tests.rigs.live.web_rig import SDP, WhepClient, quiet


async def known(authorization: str = Header("")) -> None:
    if authorization != "me":
        raise HTTPException(401)


def ask(test: Callable[[httpx.AsyncClient, LiveSite], Coroutine[None, None, None]]) -> None:
    async def main() -> None:
        site = LiveSite({"door": quiet()}, WebConfig())
        app = FastAPI()
        app.include_router(site.router(), prefix="/cameras", dependencies=[Depends(known)])
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            await test(http, site)
        await site.close()
        await site.close()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_the_streams_are_guarded_by_the_application_that_includes_them() -> None:
    async def test(http: httpx.AsyncClient, site: LiveSite) -> None:
        for method, path in (("GET", "api/streams"), ("POST", "whep/door"), ("DELETE", "whep/door/x")):
            assert (await http.request(method, f"/cameras/{path}")).status_code == 401
        answer = await http.get("/cameras/api/streams", headers={"Authorization": "me"})
        assert answer.json() == json.loads(json.dumps(site.described())) and answer.json()[0]["name"] == "door"

    ask(test)


def test_a_session_is_where_the_application_put_it() -> None:
    async def test(http: httpx.AsyncClient, site: LiveSite) -> None:
        client = WhepClient("")
        me = {"Authorization": "me"}
        answer = await http.post("/cameras/whep/door?x=1", content=await client.offer(), headers={**SDP, **me})
        assert answer.status_code == 201 and answer.headers["Location"].startswith("/cameras/whep/door/")
        assert (await http.delete(answer.headers["Location"], headers=me)).status_code == 200
        assert (await http.delete(answer.headers["Location"], headers=me)).status_code == 404
        await client.peer.close()

    ask(test)


def test_its_metrics_can_stand_beside_others() -> None:
    async def test(http: httpx.AsyncClient, site: LiveSite) -> None:
        registry = CollectorRegistry()
        registry.register(site.collector())
        assert b'veilcast_viewers{stream="door"} 0.0' in generate_latest(registry)

    ask(test)
