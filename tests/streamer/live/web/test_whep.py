from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtp import RTCP_PSFB_FIR, RTCP_PSFB_PLI
from pydantic import SecretStr

from streamer.live.fanout import ClosedError
from streamer.live.packet import VideoPacket
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.live.web.server import WebServer
from streamer.runtime.event_loop import LoopThread
from streamer.settings.web import TurnServer, WebConfig
from tests.bench.bench_fanout_webrtc import watch
from tests.rigs.live.producing import Producer
from tests.rigs.live.web_client import web_client
from tests.rigs.live.web_rig import SDP, WAIT, WhepClient, quiet, run, serving, soon, until

TOKEN = "a-long-secret"
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
PERIOD = 100


def steps(numbers: list[int]) -> list[int]:
    return [(b - a) % PERIOD for a, b in itertools.pairwise(numbers)]


def vp8_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("veilcast-vp8")]


@pytest.mark.slow
@pytest.mark.parametrize("audio", [False, True])
def test_a_viewer_gets_the_pictures_in_order(audio: bool) -> None:
    async def test(url: str) -> None:
        async with WhepClient(url, audio=audio) as client:
            await soon(lambda: len(client.numbers) >= 40)
            assert server.viewers("door") == 1 and server.viewers("gate") == 0
        assert set(steps(client.numbers[:40])) == {1}

    gate = StreamOutput("gate", lambda: Snapshot("gate"))
    with Producer(period=PERIOD) as producer, serving({"door": producer.output, "gate": gate}) as server:
        run(server, test)
        until(lambda: server.viewers("door") == 0)


@pytest.mark.slow
def test_nothing_is_encoded_for_viewers_that_take_h264(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_encode(*_: object) -> None:
        raise AssertionError("aiortc encodes")

    async def test(url: str) -> None:
        async with WhepClient(url) as one, WhepClient(url) as two, WhepClient(url) as three:
            begun, published = time.monotonic(), producer.published
            await soon(lambda: all(len(client.numbers) >= 30 for client in (one, two, three)))
            assert server.viewers("door") == 3
            assert producer.published - published <= 25 * (time.monotonic() - begun) + 2
            assert vp8_threads() == [] and server.vp8_encodes("door") == 0

    monkeypatch.setattr(H264Encoder, "encode", no_encode)
    monkeypatch.setattr(Vp8Encoder, "encode", no_encode)
    with Producer() as producer, serving({"door": producer.output}) as server:
        run(server, test)


@pytest.mark.slow
def test_one_vp8_encode_for_all_viewers_without_h264(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(url: str) -> None:
        async with WhepClient(url, "VP8") as one, WhepClient(url, "VP8") as two, WhepClient(url) as three:
            await soon(lambda: all(client.numbers for client in (one, two, three)))
            begun, encoded = time.monotonic(), server.vp8_encodes("door")
            assert vp8_threads() == ["veilcast-vp8-door"]
            await soon(lambda: all(len(client.numbers) >= 40 for client in (one, two, three)))
            assert 10 < server.vp8_encodes("door") - encoded <= 25 * (time.monotonic() - begun) + 2
            await one.peer.close()
            seen = len(two.numbers)
            await soon(lambda: len(two.numbers) > seen + 5)
        assert all(0 < step < 25 for step in steps(two.numbers))

    with Producer(period=PERIOD) as producer, serving({"door": producer.output}) as server:
        assert vp8_threads() == []
        run(server, test)
        until(lambda: vp8_threads() == [])


@pytest.mark.slow
@pytest.mark.parametrize("fmt", [RTCP_PSFB_PLI, RTCP_PSFB_FIR])
def test_a_decoder_that_lost_data_gets_a_key_frame(fmt: int) -> None:
    gap = 50  # pictures between key frames when nobody asks

    async def test(url: str) -> None:
        async with WhepClient(url) as client:
            await soon(lambda: len(client.numbers) > 5)
            with producer.output.packets.subscribe("test", 1000) as packets:
                counted: list[VideoPacket] = []
                # The subscription itself asked for one: begin after it.
                await take_until_key(packets.get_nowait, counted)
                counted.clear()
                await client.feedback(fmt)
                await take_until_key(packets.get_nowait, counted)
                assert len(counted) < gap - 5

    async def take_until_key(get: Callable[[], VideoPacket | None], counted: list[VideoPacket]) -> None:
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            packet = get()
            if packet is None:
                await asyncio.sleep(0.01)
                continue
            counted.append(packet)
            if packet.keyframe:
                return
        raise AssertionError("no key frame")

    with Producer() as producer, serving({"door": producer.output}) as server:
        run(server, test)


@pytest.mark.slow
def test_a_stalled_viewer_does_not_affect_the_others() -> None:
    async def test(url: str) -> None:
        async with WhepClient(url) as client:
            await soon(lambda: bool(client.numbers))
            assert process.pid is not None
            os.kill(process.pid, signal.SIGSTOP)
            begun = len(client.numbers)
            await soon(lambda: len(client.numbers) > begun + 60)
            assert set(steps(client.numbers[begun:])) == {1}

    context = multiprocessing.get_context("spawn")
    with Producer(period=PERIOD) as producer, serving({"door": producer.output}) as server:
        ours, theirs = context.Pipe()
        process = context.Process(target=watch, args=(theirs, server.port, 1))
        process.start()
        try:
            assert ours.poll(60) and server.viewers("door") == 1
            run(server, test)
            assert server.drops("door") == {"webrtc": 0, "vp8": 0}
        finally:
            process.kill()
            process.join(WAIT)


def test_a_session_from_offer_to_delete() -> None:
    async def test(url: str) -> None:
        base = f"http://127.0.0.1:{server.port}"
        async with WhepClient(url) as client, web_client(base) as http:
            assert client.location.startswith("/whep/door/") and len(client.location) > 30
            await soon(lambda: bool(client.numbers))
            sdp = client.peer.localDescription.sdp
            ufrag = sdp.split("a=ice-ufrag:")[1].split("\r\n")[0]
            body = (
                f"a=ice-ufrag:{ufrag}\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
                "a=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n"
            )

            async def patch(body: str, **headers: str) -> int:
                names = {name.replace("_", "-"): value for name, value in headers.items()}
                answer = await http.patch(client.location, content=body, headers={**FRAGMENT, **names})
                return answer.status_code

            assert await patch(body, If_Match=client.etag) == 204
            assert await patch(body, If_Match="*") == 204
            assert await patch(body, If_Match='"another"') == 412
            assert await patch(body.replace(ufrag, "other"), If_Match="*") == 422
            assert await patch("hello") == 400
            assert await patch(body, Content_Type="application/json") == 415
            answer = await http.delete("/whep/gate/" + client.location.rsplit("/", 1)[1])
            assert answer.status_code == 404
            answer = await http.delete(client.location)
            assert answer.status_code == 200
            answer = await http.delete(client.location)
            assert answer.status_code == 404
            await asyncio.wait_for(client.over.wait(), WAIT)

    with Producer() as producer, serving({"door": producer.output}) as server:
        run(server, test)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda offer: "hello", 400),
        (lambda offer: b"\xff\xfe", 400),
        (lambda offer: "", 400),
        (lambda offer: "v=0\r\n" * 20_000, 413),
        (lambda offer: offer.replace("m=video", "m=audio"), 422),
        (lambda offer: offer.replace("a=recvonly", "a=sendonly"), 422),
        (lambda offer: offer.replace("a=ice-pwd", "a=x-pwd"), 422),
        (lambda offer: offer.replace("a=fingerprint", "a=x-print"), 422),
        (lambda offer: offer.replace("H264/90000", "AV1/90000"), 422),
    ],
)
def test_unanswerable_offers_are_refused(change: Callable[[str], str | bytes], status: int) -> None:
    async def test(url: str) -> None:
        client = WhepClient(url)
        offer = change(await client.offer())
        async with web_client() as http:
            answer = await http.post(url, content=offer, headers=SDP)
            assert answer.status_code == status
        await client.peer.close()

    with serving({"door": quiet()}) as server:
        run(server, test)


def test_refusals_that_do_not_depend_on_the_offer() -> None:
    async def test(url: str) -> None:
        async with web_client() as http:
            answer = await http.post(url, content="v=0", headers={"Content-Type": "text/plain"})
            assert answer.status_code == 415
            answer = await http.post(url.replace("door", "gate"), content="v=0", headers=SDP)
            assert answer.status_code == 404
            answer = await http.get(url)
            assert answer.status_code == 405 and "POST" in answer.headers["Allow"]

    with serving({"door": quiet()}) as server:
        run(server, test)


def test_the_token_is_required() -> None:
    async def test(url: str) -> None:
        async with web_client() as http:
            for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
                for address in (url, url.replace("door", "gate")):
                    answer = await http.post(address, content="v=0", headers={**SDP, **given})
                    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
                answer = await http.options(url, headers=given)
                assert answer.status_code == 401 and "Link" not in answer.headers
            right = {"Authorization": f"Bearer {TOKEN}"}
            answer = await http.post(url, content="v=0", headers={**SDP, **right})
            assert answer.status_code == 422
            answer = await http.options(url, headers=right)
            assert answer.status_code == 204 and answer.headers["Accept-Post"] == "application/sdp"
            links = answer.headers.get_list("Link")
            assert links[0] == '<stun:stun.example:3478>; rel="ice-server"'
            assert 'username="u"; credential="p\\"w"; credential-type="password"' in links[1]

    relay = TurnServer(url="turn:turn.example?transport=tcp", user="u", password=SecretStr('p"w'))
    config = WebConfig(token=SecretStr(TOKEN), stun=("stun:stun.example:3478",), turn=(relay,))
    with serving({"door": quiet()}, config) as server:
        run(server, test)


@pytest.mark.parametrize(
    ("config", "origin", "allowed"),
    [
        (WebConfig(), "http://elsewhere.example", None),
        (WebConfig(origins=("http://elsewhere.example",)), "http://elsewhere.example", "http://elsewhere.example"),
        (WebConfig(origins=("http://elsewhere.example",)), "http://evil.example", None),
        (WebConfig(origins=("*",)), "http://elsewhere.example", "*"),
        (WebConfig(token=SecretStr(TOKEN)), "http://elsewhere.example", "*"),
    ],
)
def test_cors(config: WebConfig, origin: str, allowed: str | None) -> None:
    async def test(url: str) -> None:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with web_client() as http:
            answer = await http.options(url, headers=asked)
            assert answer.status_code == 204 and answer.headers.get("Access-Control-Allow-Origin") == allowed
            assert ("Authorization" in answer.headers.get("Access-Control-Allow-Headers", "")) == (allowed is not None)
            assert ("Location" in answer.headers.get("Access-Control-Expose-Headers", "")) == (allowed is not None)

    with serving({"door": quiet()}, config) as server:
        run(server, test)


@pytest.mark.slow
def test_viewers_notice_when_the_server_closes() -> None:
    async def test(url: str) -> None:
        async with WhepClient(url) as one, WhepClient(url, "VP8") as two:
            await soon(lambda: bool(one.numbers and two.numbers))
            begun = time.monotonic()
            await asyncio.to_thread(network.run, server.close(), WAIT)
            assert time.monotonic() - begun < 3
            await asyncio.wait_for(asyncio.gather(one.over.wait(), two.over.wait()), WAIT)

    with Producer() as producer, LoopThread() as network:
        server = WebServer({"door": producer.output}, WebConfig())
        network.run(server.start("127.0.0.1", 0), WAIT)
        run(server, test)
        assert vp8_threads() == [] and server.viewers("door") == 0
        assert len(producer.output.packets) == 0 and len(producer.output.frames) == 0


@pytest.mark.slow
def test_viewers_notice_when_the_stream_ends() -> None:
    async def test(url: str) -> None:
        async with WhepClient(url) as client:
            await soon(lambda: bool(client.numbers))
            producer.output.close()
            await asyncio.wait_for(client.over.wait(), WAIT)

    with Producer() as producer, serving({"door": producer.output}) as server:
        run(server, test)
        until(lambda: server.viewers("door") == 0)
        with pytest.raises(ClosedError):
            producer.output.packets.subscribe("late", 1).get_nowait()
