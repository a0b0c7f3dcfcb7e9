"""How NAL units stand in packets: after start codes, or after their length. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.gops.uncopyable import UncopyableError

LENGTH_SIZE = 4
"""Bytes of the lengths that are written."""
_START = b"\0\0\0\1"


def split_by_length(data: bytes, length_size: int) -> list[bytes]:
    """The NAL units of a packet as in MP4. Raises UncopyableError if the lengths do not fit exactly."""
    found, at, end = [], 0, len(data)
    while at < end:
        start = at + length_size
        at = start + int.from_bytes(data[at:start], "big")
        if start > end or at > end:
            raise UncopyableError("a packet is not cut into units properly")
        unit = data[start:at].rstrip(b"\0")
        if b"\0\0\1" in unit or b"\0\0\0" in unit:  # would be cut there by everything that looks for start codes
            raise UncopyableError("a unit of a packet holds a start code")
        if unit:
            found.append(unit)
    return found


def split_by_start_code(data: bytes) -> list[bytes]:
    """The NAL units of a packet as in MPEG-TS. Raises UncopyableError if it does not begin with a start code."""
    found, at = [], data.find(b"\0\0\1")
    if at < 0 or data[:at].strip(b"\0"):
        raise UncopyableError("a packet does not begin with a unit")
    while at >= 0:
        following = data.find(b"\0\0\1", at + 3)
        unit = data[at + 3 : None if following < 0 else following].rstrip(b"\0")
        if b"\0\0\0" in unit:
            raise UncopyableError("a unit of a packet holds too many zeros")
        if unit:
            found.append(unit)
        at = following
    return found


def with_lengths(units: Iterable[bytes]) -> bytes:
    """A packet as in MP4 and Matroska, with lengths of four bytes."""
    return b"".join(part for unit in units for part in (len(unit).to_bytes(LENGTH_SIZE, "big"), unit))


def with_start_codes(units: Iterable[bytes]) -> bytes:
    """A packet as in MPEG-TS."""
    return b"".join(part for unit in units for part in (_START, unit))
