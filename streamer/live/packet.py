"""Encoded packets, as every sink gets them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

CLOCK: Final = 90_000
"""Ticks per second of a packet's pts: the RTP clock rate for video (RFC 3551)."""

TIME_BASE: Final = Fraction(1, CLOCK)


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """H.264 without B-frames. `sps` and `pps` are NAL units without start codes; `rate` is frames per second."""

    width: int
    height: int
    rate: Fraction
    sps: bytes
    pps: bytes

    @property
    def profile_level_id(self) -> str:
        """SDP's profile-level-id: six hexadecimal digits (RFC 6184, 8.1)."""
        return self.sps[1:4].hex()


@dataclass(frozen=True, slots=True, eq=False)
class VideoPacket:
    """One encoded masked picture in Annex B format, with SPS and PPS in front of every key frame.

    `pts` is in units of `TIME_BASE` and strictly increasing, even when `format` changes; decoding order equals
    presentation order. `duration` is in the same units. `captured` is when the picture arrived from the source, in
    seconds of `time.time()`.
    """

    data: bytes
    pts: int
    duration: int
    keyframe: bool
    captured: float
    format: VideoFormat
