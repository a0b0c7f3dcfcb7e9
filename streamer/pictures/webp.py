"""What the first bytes of a WebP file say (RFC 9649)."""

from __future__ import annotations


def webp_header(content: bytes) -> tuple[tuple[int, int], bool]:
    """Width and height in pixels, and whether it is an animation; (0, 0) if the header is cut off or wrong."""
    form, data = content[12:16], content[20:30]
    if len(data) < 10:
        return (0, 0), False
    if form == b"VP8X":
        size = 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
        return size, bool(data[0] & 2)
    if form == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)), False
    if form == b"VP8 ":
        return (int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF), False
    return (0, 0), False


def is_lossless(content: bytes) -> bool:
    """Whether the picture is coded without loss."""
    at = 12
    while at + 8 <= len(content):
        name, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        at += 8 + length + length % 2
    return False
