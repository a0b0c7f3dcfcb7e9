from __future__ import annotations

from fractions import Fraction

import av
import pytest

from core.frame import Frame
from core.masked_frame import MaskedFrame
from streamer.live.encoder import LiveEncoder
from streamer.live.packet import CLOCK, VideoPacket
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.media.h264 import nal_units
from streamer.settings.encoder import LiveEncoderConfig
from tests.rigs.live.producing import masked, number_of

CONFIG = LiveEncoderConfig(preset="ultrafast", key_interval=1.0)


def encoder() -> LiveEncoder:
    return LiveEncoder(320, 240, Fraction(25), CONFIG)


def encoded(count: int, *, key_at: int = -1, rate: int = 25) -> list[VideoPacket]:
    one = encoder()
    packets: list[VideoPacket] = []
    for n in range(count):
        new = one.encode(masked(n, 320, 240), n * CLOCK // rate, float(n), key=n == key_at)
        assert len(new) == 1, "no picture waits for another"
        packets += new
    return packets


def kinds(data: bytes) -> list[int]:
    return [unit[0] & 0x1F for unit in nal_units(data)]


def test_every_picture_gives_its_packet_at_once() -> None:
    packets = encoded(30)
    assert [packet.pts for packet in packets] == [n * 3600 for n in range(30)]
    assert [packet.captured for packet in packets] == list(range(30))
    assert all(packet.duration == 3600 for packet in packets[1:])
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    pictures = [frame for packet in packets for frame in decoder.decode(av.Packet(packet.data))]
    pictures += decoder.decode(None)
    assert [number_of(frame.to_ndarray(format="bgr24").astype("u1")) for frame in pictures] == list(range(30))


def test_key_frames_come_by_the_clock_and_when_asked_for() -> None:
    assert [n for n, packet in enumerate(encoded(60)) if packet.keyframe] == [0, 25, 50]
    assert [n for n, packet in enumerate(encoded(20, rate=5)) if packet.keyframe] == [0, 5, 10, 15]
    assert [n for n, packet in enumerate(encoded(30, key_at=7)) if packet.keyframe] == [0, 7]


def test_parameter_sets_come_with_every_key_frame_and_name_the_profile() -> None:
    packets = encoded(30, key_at=7)
    for packet in packets:
        assert ({7, 8, 5} <= set(kinds(packet.data))) == packet.keyframe
    form = packets[0].format
    assert (form.width, form.height, form.rate) == (320, 240, Fraction(25))
    assert form.sps[0] & 0x1F == 7 and form.pps[0] & 0x1F == 8
    assert form.profile_level_id[:2] == "42", "baseline: what every browser takes"
    assert all(packet.format is form for packet in packets)


def test_pts_always_increases() -> None:
    one = encoder()
    stamps = [one.encode(masked(n, 320, 240), pts, 0.0)[0].pts for n, pts in enumerate((100, 100, 50, 4000))]
    assert stamps == [100, 101, 102, 4000]


def test_only_masked_frames_of_its_size() -> None:
    raw: Frame = Frame(0, masked(0, 320, 240).video, 0.0)
    with pytest.raises(TypeError, match="only a MaskedFrame"):
        encoder().encode(raw, 0, 0.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="320x240, not 160x120"):
        encoder().encode(masked(0, 160, 120), 0, 0.0)
    with pytest.raises(ValueError, match="even"):
        LiveEncoder(321, 240, Fraction(25), CONFIG)


@pytest.mark.parametrize(
    ("data", "units"),
    [
        (b"", []),
        (b"no start code", []),
        (b"\0\0\1A", [b"A"]),
        (b"\0\0\0\1A\0\0\1BC\0\0\0\1D", [b"A", b"BC", b"D"]),
        (b"\0\0\1\0\0\1A", [b"A"]),
    ],
)
def test_nal_units(data: bytes, units: list[bytes]) -> None:
    assert nal_units(data) == units


def test_an_output_limits_how_often_key_frames_are_made() -> None:
    output = StreamOutput("door", lambda: Snapshot("door"))
    assert output.format is None and not output.take_key_request()
    output.packets.request_key()
    assert output.take_key_request() and not output.take_key_request()
    (packet,) = encoded(1)
    output.publish(packet)
    assert output.format is packet.format
    output.packets.request_key()
    assert not output.take_key_request(), "there has just been one; the wish is kept"
    output._last_key -= 1
    assert output.take_key_request()


def test_a_masked_frame_is_what_the_frames_tap_carries() -> None:
    output = StreamOutput("door", lambda: Snapshot("door"))
    with output.frames.subscribe("vp8", 2) as frames:
        frame: MaskedFrame = masked(3, 320, 240)
        output.frames.publish(frame)
        assert frames.get(1) is frame
    output.close()


def test_its_threads_say_nothing_in_ffmpeg_s_log() -> None:
    av.logging.set_level(av.logging.TRACE)
    with av.logging.Capture(local=False) as elsewhere, av.logging.Capture() as here:
        one = encoder()
        for n in range(5):
            one.encode(masked(n, 320, 240), n * 3600, float(n))
        del one
    assert not [line for line in (*elsewhere, *here) if "264" in line[1]]
