from __future__ import annotations

from fractions import Fraction

import pytest
from aiortc.codecs.h264 import h264_depayload
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpSdesPacket, RtcpSrPacket, RtpPacket

from streamer.live.encoder import LiveEncoder
from streamer.live.packet import CLOCK, VideoPacket
from streamer.live.rtsp.message import Interleaved, MessageReader
from streamer.live.rtsp.rtp import RtpStream
from streamer.media.h264 import nal_units
from streamer.settings.encoder import LiveEncoderConfig
from tests.rigs.live.producing import masked

NTP_EPOCH = 2_208_988_800


@pytest.fixture(scope="module")
def pictures() -> list[VideoPacket]:
    encoder = LiveEncoder(640, 480, Fraction(25), LiveEncoderConfig())
    return [
        packet for number in range(6) for packet in encoder.encode(masked(number, 640, 480), number * 3600, number / 25)
    ]


def test_packets_carry_the_picture(pictures: list[VideoPacket]) -> None:
    stream = RtpStream()
    seq: int | None = None
    offsets = set()
    for picture in pictures:
        burst = stream.packetize(picture)
        packets = [RtpPacket.parse(data) for data in burst.packets]
        assert b"".join(h264_depayload(packet.payload) for packet in packets).replace(b"\0\0\0\1", b"\0\0\1") == (
            b"".join(b"\0\0\1" + unit for unit in nal_units(picture.data))
        )
        assert [packet.marker for packet in packets] == [0] * (len(packets) - 1) + [1]
        assert {(packet.ssrc, packet.payload_type, packet.timestamp) for packet in packets} == {
            (stream.ssrc, 96, burst.timestamp)
        }
        assert all(len(data) <= 1400 for data in burst.packets) and burst.size == sum(map(len, burst.packets))
        assert burst.keyframe == picture.keyframe and burst.seq == packets[0].sequence_number
        for packet in packets:
            assert seq is None or packet.sequence_number == (seq + 1) % 2**16
            seq = packet.sequence_number
        offsets.add((burst.timestamp - picture.pts) % 2**32)
    assert len(offsets) == 1
    assert len(stream.packetize(pictures[0]).packets) > 3  # a key frame of this size has to be cut


@pytest.mark.slow
def test_numbers_wrap(pictures: list[VideoPacket]) -> None:
    stream = RtpStream()
    late = VideoPacket(b"\0\0\1\x41abc", 2**33 + 5, 1, False, 0.0, pictures[0].format)
    bursts = [stream.packetize(late) for _ in range(2**16 + 1)]
    assert {burst.seq for burst in bursts} == set(range(2**16)) and bursts[0].seq == bursts[-1].seq
    assert 0 <= bursts[0].timestamp < 2**32


def test_interleaved_frames(pictures: list[VideoPacket]) -> None:
    burst = RtpStream().packetize(pictures[0])
    frames = list(MessageReader().feed(burst.interleaved(6)))
    assert frames == [Interleaved(6, packet) for packet in burst.packets]
    assert burst.interleaved(6) is burst.interleaved(6)


def test_a_report_tells_when_a_picture_was_taken(pictures: list[VideoPacket]) -> None:
    stream = RtpStream()
    assert stream.report(0.0) is None
    captured = 1_700_000_000.25
    picture = VideoPacket(pictures[0].data, 90_000, 3600, True, captured, pictures[0].format)
    burst = stream.packetize(picture)
    data = stream.report(captured + 0.5)
    assert data is not None
    report, source = RtcpPacket.parse(data)
    assert isinstance(report, RtcpSrPacket) and isinstance(source, RtcpSdesPacket)
    info = report.sender_info
    assert info.ntp_timestamp / 2**32 == pytest.approx(captured + 0.5 + NTP_EPOCH, abs=1e-3)
    assert info.rtp_timestamp == (burst.timestamp + CLOCK // 2) % 2**32
    assert info.packet_count == len(burst.packets)
    assert info.octet_count == burst.size - 12 * len(burst.packets)
    assert report.ssrc == source.chunks[0].ssrc == stream.ssrc


def test_rtcp_bye(pictures: list[VideoPacket]) -> None:
    stream = RtpStream()
    assert [type(packet) for packet in RtcpPacket.parse(stream.bye())] == [RtcpByePacket]
    stream.packetize(pictures[0])
    kinds = [type(packet) for packet in RtcpPacket.parse(stream.bye())]
    assert kinds == [RtcpSrPacket, RtcpSdesPacket, RtcpByePacket]
