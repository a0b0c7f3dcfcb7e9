"""What leaves the one encoder and goes to every sink."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

CLOCK: Final = 90_000
"""Ticks a second of a packet's pts: RTP's clock for video (RFC 3551)."""

TIME_BASE: Final = Fraction(1, CLOCK)


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """H.264 without B-frames. `sps` and `pps` are NAL units without start codes; `rate` is frames a second."""

    width: int
    height: int
    rate: Fraction
    sps: bytes
    pps: bytes

    @property
    def profile_level_id(self) -> str:
        """Six hexadecimal digits, as SDP wants them (RFC 6184, 8.1)."""
        return self.sps[1:4].hex()


@dataclass(frozen=True, slots=True, eq=False)
class VideoPacket:
    """One encoded masked picture: NAL units in Annex B form, SPS and PPS repeated in front of every key frame.

    `pts` is in units of `TIME_BASE` and strictly increasing, also across a change of `format`; decoding order is
    presentation order. `duration` is in the same units. `captured` is when the picture came in from the source, in
    seconds of `time.time()`.
    """

    data: bytes
    pts: int
    duration: int
    keyframe: bool
    captured: float
    format: VideoFormat
