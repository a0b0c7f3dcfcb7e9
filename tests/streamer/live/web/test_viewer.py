from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction

import pytest
from aiortc import RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import AnyRtcpPacket

from streamer.live.packet import VideoFormat, VideoPacket
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.live.web import viewer as web_viewer
from streamer.live.web.key_request import check_hook
from streamer.live.web.viewer import PacketTrack, video_preferences
from streamer.live.web.vp8 import SharedVp8

FORMAT = VideoFormat(320, 240, Fraction(25), b"", b"")


def packet(number: int, key: bool) -> VideoPacket:
    return VideoPacket(b"%d" % number, number * 3600, 3600, key, 0.0, FORMAT)


def output() -> StreamOutput:
    return StreamOutput("door", lambda: Snapshot("door"))


def test_h264_comes_first_and_constrained_baseline_before_baseline() -> None:
    names = [(codec.name, codec.parameters.get("profile-level-id")) for codec in video_preferences()]
    assert names == [("H264", "42e01f"), ("H264", "42001f"), ("VP8", None), ("rtx", None)]


def test_a_lagging_viewer_resumes_at_a_key_frame_and_requests_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        stream = output()
        track = PacketTrack(stream, SharedVp8(stream), "test")
        assert len(stream.packets) == 0, "subscribed before anybody asked"
        waiting = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0)
        stream.publish(packet(0, False))
        stream.publish(packet(1, True))
        first = await asyncio.wait_for(waiting, 5)
        assert (bytes(first), first.pts, first.time_base) == (b"1", 3600, Fraction(1, 90_000))
        assert stream.take_key_request() is False  # too soon after the last
        for number in range(2, 8):
            stream.publish(packet(number, number == 7))
        assert bytes(await track.recv()) == b"7"
        assert track.dropped == 5
        stream.close()
        with pytest.raises(MediaStreamError):
            await track.recv()

    monkeypatch.setattr(web_viewer, "_DEPTH", 3)
    asyncio.run(test())


def test_a_packet_wakes_the_viewer_whatever_thread_it_comes_from() -> None:
    async def test() -> None:
        stream = output()
        track = PacketTrack(stream, SharedVp8(stream), "test")
        for number in range(50):
            waiting = asyncio.ensure_future(track.recv())
            await asyncio.sleep(0)
            await asyncio.to_thread(stream.publish, packet(number, True))
            assert (await asyncio.wait_for(waiting, 5)).pts == number * 3600
        track.stop()
        assert len(stream.packets) == 0

    asyncio.run(test())


def test_a_closed_loop_does_not_harm_the_producer() -> None:
    stream = output()

    async def join() -> None:
        waiting = asyncio.ensure_future(PacketTrack(stream, SharedVp8(stream), "test").recv())
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(join())
    assert len(stream.packets) == 1
    stream.publish(packet(0, True))


async def _deaf(self: RTCRtpSender, packet: AnyRtcpPacket) -> None:
    return None


@pytest.mark.parametrize(
    ("name", "replacement"),
    [("_send_keyframe", None), ("_send_keyframe", lambda self, layer: None), ("_handle_rtcp_packet", _deaf)],
)
def test_an_aiortc_that_hides_key_requests_is_refused(name: str, replacement: Callable[..., object] | None) -> None:
    check_hook(RTCRtpSender)
    with pytest.raises(ImportError, match="key frame"):
        check_hook(type("Other", (RTCRtpSender,), {name: replacement}))
