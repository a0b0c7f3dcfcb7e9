"""Sessions that never connect, and offers that cannot be answered."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import httpx
import pytest

from streamer.live.web import viewer as web_viewer
from streamer.live.web.ice_addresses import UdpHosts
from streamer.live.web.viewer import WebViewer
from streamer.live.web.vp8 import SharedVp8
from streamer.live.web.whep_sdp import OfferError
from streamer.settings.web import WebConfig
from tests.rigs.live.producing import Producer
from tests.rigs.live.web_client import web_client
from tests.rigs.live.web_rig import SDP, WAIT, WhepClient, quiet, run, serving, soon

FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
PERIOD = 100


async def abandoned(url: str) -> str:
    """An offer of a viewer that will never connect."""
    client = WhepClient(url)
    offer = await client.offer()
    await client.peer.close()
    return offer


async def post(http: httpx.AsyncClient, url: str, offer: str) -> tuple[int, str]:
    """The status and the session's URL."""
    answer = await http.post(url, content=offer, headers=SDP)
    return answer.status_code, str(answer.url.join(answer.headers.get("Location", "/")))


async def is_there(http: httpx.AsyncClient, session: str) -> bool:
    answer = await http.patch(session, content="a=mid:0\r\n", headers=FRAGMENT)
    return answer.status_code != 404


def test_sessions_that_never_connect_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(url: str) -> None:
        offer = await abandoned(url)
        async with web_client() as http:
            status, session = await post(http, url, offer)
            assert status == 201
            deadline = time.monotonic() + WAIT
            while await is_there(http, session):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            assert server.viewers("door") == 0

    monkeypatch.setattr(web_viewer, "CONNECT_TIME", 0.7)
    with serving({"door": quiet()}) as server:
        run(server, test)


@pytest.mark.slow
def test_sessions_that_never_connect_keep_nobody_out() -> None:
    """Offers that filled all slots used to lock out everybody else, 15 seconds at a time."""

    async def test(url: str) -> None:
        offer = await abandoned(url)
        async with WhepClient(url) as early, web_client() as http:
            await soon(lambda: bool(early.numbers))
            sessions = [await post(http, url, offer) for _ in range(40)]
            assert {status for status, _ in sessions} == {201}
            there = [await is_there(http, session) for _, session in sessions]
            assert there == sorted(there) and 0 < sum(there) <= 12  # the oldest gave way
            async with WhepClient(url) as one, WhepClient(url) as two:
                await soon(lambda: bool(one.numbers and two.numbers))
                seen = len(early.numbers)
                await soon(lambda: len(early.numbers) > seen + 10)

    with Producer(period=PERIOD) as producer, serving({"door": producer.output}, WebConfig(max_viewers=16)) as server:
        run(server, test)


@pytest.mark.slow
def test_more_viewers_than_allowed() -> None:
    async def test(url: str) -> None:
        offer = await abandoned(url)
        async with web_client() as http:
            assert (await post(http, url, offer))[0] == 201
            async with WhepClient(url) as client:
                await soon(lambda: bool(client.numbers))
                answer = await http.post(url, content=offer, headers=SDP)
                assert answer.status_code == 503 and answer.headers["Retry-After"]
                seen = len(client.numbers)
                await soon(lambda: len(client.numbers) > seen + 10)

    with Producer(period=PERIOD) as producer, serving({"door": producer.output}, WebConfig(max_viewers=1)) as server:
        run(server, test)


@pytest.mark.slow
def test_odd_offers_are_refused_and_never_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    async def test(url: str) -> None:
        offer = await abandoned(url)
        media = offer[offer.index("m=") :]
        others = "".join(media.replace("a=mid:0", f"a=mid:{number}") for number in range(1, 20))
        odd = [offer + offer, offer + media, offer + media.replace("m=video", "m=application"), offer + others]
        odd += [offer.replace("a=mid:0\r\n", "") * 2, offer.replace("a=group:BUNDLE 0", "a=group:BUNDLE 1 1 x")]
        lines = offer.splitlines(keepends=True)
        odd += ["".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines))]
        odd += ["".join([*lines[:at], lines[at], *lines[at:]]) for at in range(len(lines))]
        odd += ["".join([*lines[:at], lines[at].partition(":")[0] + ":\r\n", *lines[at:]]) for at in range(len(lines))]
        async with web_client() as http:
            statuses = [(await post(http, url, text))[0] for text in odd]
        assert set(statuses) <= {201, 400, 422}
        assert statuses[:4] == [422] * 4

    with serving({"door": quiet()}) as server:
        run(server, test)
    assert "a request failed" not in caplog.text


def sockets() -> int:
    """How many file descriptors this process has open."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(descriptor.readlink()).startswith("socket:")
    return found


@pytest.mark.slow
def test_sessions_evicted_while_being_answered_leave_no_ports_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(url: str) -> None:
        offer = await abandoned(url)
        before = sockets()
        async with web_client() as http:
            answers = await asyncio.gather(*(post(http, url, offer) for _ in range(60)))
        assert {status for status, _ in answers} == {201, 503}
        await soon(lambda: sockets() <= before + 2)

    monkeypatch.setattr(web_viewer, "CONNECT_TIME", 1.0)
    with serving({"door": quiet()}) as server:
        run(server, test)


def test_a_viewer_that_is_closed_while_it_is_answered_leaves_no_ports_open() -> None:
    async def answered(offer: str, steps: int) -> None:
        output = quiet()
        hosts = UdpHosts(("127.0.0.1", "127.0.0.2", "127.0.0.3"), "127.0.0.1")
        viewer = WebViewer(output, SharedVp8(output), [], hosts, "party", lambda _: None)
        answering = asyncio.create_task(viewer.answer(offer))
        for _ in range(steps):
            await asyncio.sleep(0)
        await viewer.close()
        with contextlib.suppress(OfferError):
            await answering
        for _ in range(3):
            await asyncio.sleep(0)

    async def test() -> None:
        offer = await abandoned("")
        before = sockets()
        for steps in range(40):
            await answered(offer, steps)
            assert sockets() == before, steps

    asyncio.run(test())
