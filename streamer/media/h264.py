"""Splits H.264 into NAL units, by start codes (Annex B) or by length prefixes (avcC, as in MP4). No I/O."""

from __future__ import annotations

from dataclasses import dataclass


def nal_units(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream, without start codes (H.264, Annex B)."""
    units, at = [], data.find(b"\0\0\1")
    while at >= 0:
        following = data.find(b"\0\0\1", at + 3)
        end = len(data) if following < 0 else following
        units.append(data[at + 3 : end].rstrip(b"\0"))
        at = following
    return [unit for unit in units if unit]


@dataclass(frozen=True, slots=True)
class AvcConfig:
    """A parsed AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""

    length_size: int
    """Bytes of the length prefix of each NAL unit."""
    parameter_sets: tuple[bytes, ...]
    """The SPS NAL units."""

    def units(self, data: bytes) -> list[bytes]:
        """The NAL units of one packet, as far as the lengths are valid; the last one may be cut short."""
        found, at = [], 0
        while at + self.length_size <= len(data):
            start = at + self.length_size
            at = start + int.from_bytes(data[at:start], "big")
            found.append(data[start:at])
        return [unit for unit in found if unit]


def parse_avcc(extradata: bytes | None) -> AvcConfig | None:
    """Parse the record from an H.264 stream's extradata; None if it is missing or invalid."""
    if not extradata or len(extradata) < 6 or extradata[0] != 1:
        return None
    sets, at = [], 6
    for _ in range(extradata[5] & 31):
        length = int.from_bytes(extradata[at : at + 2], "big")
        sets.append(extradata[at + 2 : at + 2 + length])
        at += 2 + length
    return AvcConfig((extradata[4] & 3) + 1, tuple(unit for unit in sets if unit))
