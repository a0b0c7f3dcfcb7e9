from __future__ import annotations

import threading

import av
import numpy as np
import pytest
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.frame import PictureType

from core.masked_frame import MaskedFrame
from streamer.live.packet import CLOCK
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.live.web.vp8 import SharedVp8, Vp8Encoder, Vp8Packet
from tests.rigs.live.producing import Producer, masked, number_of
from tests.rigs.live.web_rig import until


def decoded(packets: list[Vp8Packet]) -> list[int]:
    decoder = CodecContext.create("vp8", "r")
    frames = [frame for packet in packets for frame in decoder.decode(Packet(packet.data))]
    return [
        number_of(frame.to_ndarray(format="bgr24").astype(np.uint8))
        for frame in frames
        if isinstance(frame, av.VideoFrame)
    ]


@pytest.mark.slow
def test_every_picture_has_its_packet_and_can_be_decoded() -> None:
    encoder = Vp8Encoder()
    packets = [p for n in range(30) for p in encoder.encode(masked(n, 320, 240), n / 25, key=n == 20)]
    assert decoded(packets) == list(range(30))
    assert [n for n, packet in enumerate(packets) if packet.keyframe] == [0, 20]
    assert decoded(packets[20:])[0] == 20
    assert np.diff([packet.pts for packet in packets]).tolist() == [CLOCK // 25] * 29


def test_the_size_may_change() -> None:
    encoder = Vp8Encoder()
    packets = [
        p for n, size in enumerate([(320, 240)] * 2 + [(640, 360)] * 2) for p in encoder.encode(masked(n, *size), n)
    ]
    assert [packet.keyframe for packet in packets] == [True, False, True, False]
    assert decoded(packets) == [0, 1, 2, 3]


def test_time_continues_when_the_clock_of_the_source_jumps() -> None:
    encoder = Vp8Encoder()
    times = [(50, 0.0), (51, 0.04), (0, 0.5), (1, 0.54), (5000, 0.6)]  # number of the picture and arrival
    pts = [packet.pts for number, arrived in times for packet in encoder.encode(masked(number, 64, 64), arrived)]
    assert np.diff(pts).tolist() == [3600, 41_400, 3600, 5400]


def test_the_picture_itself_is_not_modified() -> None:
    # The H.264 encoder may be at work on it in another thread.
    frame = masked(3, 320, 240)
    before = (frame.video.pts, frame.video.time_base, frame.video.pict_type)
    Vp8Encoder().encode(frame, 0.0, key=True)
    assert (frame.video.pts, frame.video.time_base, frame.video.pict_type) == before
    assert frame.video.pict_type != PictureType.I


def test_only_masked_frames_are_encoded() -> None:
    raw: object = masked(0, 64, 64).video
    with pytest.raises(TypeError, match="MaskedFrame"):
        Vp8Encoder().encode(raw, 0.0)  # type: ignore[arg-type]


def test_it_runs_only_while_somebody_needs_it() -> None:
    with Producer() as producer:
        shared = SharedVp8(producer.output)
        assert not shared.running and len(producer.output.frames) == 0
        one, two = shared.subscribe("one", 50, lambda: None), shared.subscribe("two", 50, lambda: None)
        assert len(producer.output.frames) == 1
        first, second = one.get(5), two.get(5)
        assert first is not None and first.keyframe and second is not None and second.keyframe
        shared.release(one)
        assert shared.running and two.get(5) is not None
        shared.release(two)
        assert not shared.running and len(producer.output.frames) == 0
        again = shared.subscribe("again", 50, lambda: None)
        assert again.get(5) is not None
        shared.release(again)


def test_pictures_are_skipped_if_the_encoder_does_not_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    going, go_on = threading.Event(), threading.Event()

    def slow(self: Vp8Encoder, frame: MaskedFrame, arrived: float, *, key: bool = False) -> list[Vp8Packet]:
        going.set()
        assert go_on.wait(10)
        return []

    monkeypatch.setattr(Vp8Encoder, "encode", slow)
    output, picture = StreamOutput("door", lambda: Snapshot("door")), masked(0, 64, 64)
    shared = SharedVp8(output)
    viewer = shared.subscribe("one", 5, lambda: None)
    output.frames.publish(picture)
    assert going.wait(10)
    for _ in range(9):
        output.frames.publish(picture)
    assert shared.dropped == 8
    go_on.set()
    until(lambda: shared.encoded == 2)
    assert shared.dropped == 8
    shared.release(viewer)
    assert shared.dropped == 8
    output.close()


def test_a_failure_ends_the_viewers_streams_and_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Vp8Encoder, frame: MaskedFrame, arrived: float, *, key: bool = False) -> list[Vp8Packet]:
        raise ValueError("libvpx is unwell")

    told: list[BaseException] = []
    monkeypatch.setattr(Vp8Encoder, "encode", fail)
    output = StreamOutput("door", lambda: Snapshot("door"))
    shared = SharedVp8(output, told.append)
    ended: list[bool] = []
    viewer = shared.subscribe("one", 5, lambda: ended.append(True))
    output.frames.publish(masked(0, 64, 64))
    until(lambda: bool(ended))
    assert [str(error) for error in told] == ["libvpx is unwell"]
    shared.release(viewer)
    output.close()
