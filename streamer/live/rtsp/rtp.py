"""RTP packets and RTCP reports of one H.264 stream (RFC 3550, RFC 6184). aiortc does the packetising."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import av
from aiortc.codecs.h264 import H264Encoder
from aiortc.rtp import (
    RtcpByePacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    RtpPacket,
)

from streamer.live.packet import CLOCK, TIME_BASE, VideoPacket
from streamer.live.rtsp.message import Interleaved
from streamer.live.rtsp.sdp import PAYLOAD_TYPE

_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_CNAME = 1
_LONGEST_LAG = 10.0  # seconds; a report further from its picture than this would only repeat a clock's jump
_HEADER = 12  # bytes of an RTP header: not counted as payload
WRAP: Final = 2**32


@dataclass(frozen=True)
class Burst:
    """The RTP packets of one picture. `seq` and `timestamp` are those of its first packet."""

    packets: tuple[bytes, ...]
    keyframe: bool
    seq: int
    timestamp: int
    _framed: dict[int, bytes] = field(default_factory=dict, repr=False)

    @cached_property
    def size(self) -> int:
        """Bytes of all packets."""
        return sum(map(len, self.packets))

    def interleaved(self, channel: int) -> bytes:
        """All packets as one run of interleaved frames (RFC 2326, 10.12), made once for each channel."""
        if channel not in self._framed:
            self._framed[channel] = b"".join([bytes(Interleaved(channel, packet)) for packet in self.packets])
        return self._framed[channel]


class RtpStream:
    """Numbers and serialises the packets of one stream, once for all who get them."""

    def __init__(self) -> None:
        self.ssrc = secrets.randbits(32)
        self._payloads = H264Encoder()  # only packetises: libx264 is opened on the first picture to encode
        self._seq = secrets.randbits(16)
        self._offset = secrets.randbits(32)
        self._packets = self._octets = 0
        self._last: VideoPacket | None = None

    def packetize(self, packet: VideoPacket) -> Burst:
        """The RTP packets of a picture, at most some 1,300 bytes each, the last one marked."""
        carrier = av.Packet(packet.data)
        carrier.pts, carrier.time_base = packet.pts, TIME_BASE
        payloads, _ = self._payloads.pack(carrier)
        first, timestamp = self._seq, (packet.pts + self._offset) % WRAP
        packets = []
        for number, payload in enumerate(payloads, 1):
            rtp = RtpPacket(PAYLOAD_TYPE, int(number == len(payloads)), self._seq, timestamp, self.ssrc, payload)
            packets.append(rtp.serialize())
            self._seq = (self._seq + 1) % 2**16
        burst = Burst(tuple(packets), packet.keyframe, first, timestamp)
        self._last = packet
        self._packets += len(packets)
        self._octets += burst.size - _HEADER * len(packets)
        return burst

    def report(self, now: float) -> bytes | None:
        """A sender report and the source's name, for `now` in seconds of `time.time()`; None before any packet."""
        if self._last is None:
            return None
        # Both times of a report are of one moment; that of the newest picture leads there.
        lag = min(max(now - self._last.captured, -_LONGEST_LAG), _LONGEST_LAG)
        info = RtcpSenderInfo(
            ntp_timestamp=int((self._last.captured + lag + _NTP_EPOCH) * WRAP) % 2**64,
            rtp_timestamp=(self._last.pts + self._offset + round(lag * CLOCK)) % WRAP,
            packet_count=self._packets % WRAP,
            octet_count=self._octets % WRAP,
        )
        return bytes(RtcpSrPacket(self.ssrc, info)) + self._source()

    def bye(self) -> bytes:
        """The packet that says that the stream is over, behind the report that has to come before it."""
        report = self.report(self._last.captured) if self._last else None
        return (report or b"") + bytes(RtcpByePacket([self.ssrc]))

    def _source(self) -> bytes:
        return bytes(RtcpSdesPacket([RtcpSourceInfo(self.ssrc, [(_CNAME, b"veilcast")])]))
