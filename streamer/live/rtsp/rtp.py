"""RTP packets and RTCP reports of one H.264 stream (RFC 3550, RFC 6184). aiortc does the packetizing."""

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
_LONGEST_LAG = 10.0  # seconds; a larger difference between report and picture is a clock jump
_HEADER = 12  # bytes of an RTP header, which do not count as payload
WRAP: Final = 2**32


@dataclass(frozen=True)
class Burst:
    """The RTP packets of one picture. `seq` and `timestamp` belong to its first packet."""

    packets: tuple[bytes, ...]
    keyframe: bool
    seq: int
    timestamp: int
    _framed: dict[int, bytes] = field(default_factory=dict, repr=False)

    @cached_property
    def size(self) -> int:
        """Total bytes of the packets."""
        return sum(map(len, self.packets))

    def interleaved(self, channel: int) -> bytes:
        """All packets as consecutive interleaved frames (RFC 2326, 10.12), built once per channel."""
        if channel not in self._framed:
            self._framed[channel] = b"".join([bytes(Interleaved(channel, packet)) for packet in self.packets])
        return self._framed[channel]


class RtpStream:
    """Numbers and serializes the packets of one stream, once for all clients."""

    def __init__(self) -> None:
        self.ssrc = secrets.randbits(32)
        self._payloads = H264Encoder()  # used only to packetize: it would open libx264 only when encoding
        self._seq = secrets.randbits(16)
        self._offset = secrets.randbits(32)
        self._packets = self._octets = 0
        self._last: VideoPacket | None = None

    def packetize(self, packet: VideoPacket) -> Burst:
        """The RTP packets of a picture, about 1,300 bytes each at most; the last one has the marker bit."""
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
        """A sender report with SDES for `now`, in seconds of `time.time()`; None before the first packet."""
        if self._last is None:
            return None
        # NTP and RTP time must describe the same moment: extrapolate both from the newest picture.
        lag = min(max(now - self._last.captured, -_LONGEST_LAG), _LONGEST_LAG)
        info = RtcpSenderInfo(
            ntp_timestamp=int((self._last.captured + lag + _NTP_EPOCH) * WRAP) % 2**64,
            rtp_timestamp=(self._last.pts + self._offset + round(lag * CLOCK)) % WRAP,
            packet_count=self._packets % WRAP,
            octet_count=self._octets % WRAP,
        )
        return bytes(RtcpSrPacket(self.ssrc, info)) + self._source()

    def bye(self) -> bytes:
        """An RTCP BYE, preceded by the report that RFC 3550 requires."""
        report = self.report(self._last.captured) if self._last else None
        return (report or b"") + bytes(RtcpByePacket([self.ssrc]))

    def _source(self) -> bytes:
        return bytes(RtcpSdesPacket([RtcpSourceInfo(self.ssrc, [(_CNAME, b"veilcast")])]))
