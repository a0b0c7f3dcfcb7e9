"""What the boxes of a HEIC or AVIF file say (ISO 14496-12, 23008-12): read before anything is decoded."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

Boxes = bytes | mmap.mmap

_HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF: Final = frozenset({b"avif", b"avis"})
_EITHER: Final = frozenset({b"mif1", b"mif2", b"msf1", b"miaf"})  # says nothing about the coding
_MOST: Final = 20_000  # boxes: a picture of 100 megapixels has some hundreds
_DEEPEST: Final = 8  # boxes in boxes: decoders look four deep
_LONGEST: Final = 64  # bytes of a box of which anything is read

_LEFT_OUT: Final = {b"thmb": "thumbnail", b"tmap": "gain map", b"Exif": "EXIF data", b"mpvd": "video"}
_ALPHA, _DEPTH = (b"auxiliary:alpha", b"auxid:1"), (b"auxiliary:depth", b"auxid:2")


@dataclass(slots=True)
class PictureBoxes:
    """What the boxes describe: `sizes` of everything coded in the file, whether it holds a sequence."""

    sizes: list[tuple[int, int]] = field(default_factory=list)
    sequence: bool = False
    subsampling: str | None = None
    """4:4:4, 4:2:2, 4:2:0 or 4:0:0, of the first coded picture."""
    depth: int = 8
    """Bits a channel of the first coded picture."""
    colours: bytes | None = None
    """Primaries and transfer characteristics (CICP), two bytes each."""
    matrix: int | None = None
    besides: list[str] = field(default_factory=list)
    """Names of what the file holds besides its picture."""


def coding_of(content: Boxes) -> Literal["HEIC", "AVIF"] | None:
    """Which of both formats the brands of the file name; None for every other file, videos in MP4 among them."""
    length, name = int.from_bytes(content[:4], "big"), bytes(content[4:8])
    if name != b"ftyp":
        return None
    head = bytes(content[8 : min(max(length, 12), 512)])
    major, others = head[:4], {head[at : at + 4] for at in range(8, len(head) - 3, 4)}
    if major in _EITHER:  # the others say how it is coded; AVIF may also claim to be HEIF
        return "AVIF" if others & _AVIF else "HEIC"
    return "AVIF" if major in _AVIF else "HEIC" if major in _HEIC else None


def picture_boxes(content: bytes) -> PictureBoxes:
    """Everything of interest in the file. Boxes that are cut off or wrong are passed over."""
    found = PictureBoxes()
    for name, begin, end in _walk(content, 0, len(content), [_MOST]):
        data = content[begin : min(end, begin + _LONGEST)]
        if name == b"moov":
            found.sequence = True
        elif name == b"ispe" and len(data) >= 12:
            found.sizes.append(struct.unpack_from(">II", data, 4))
        elif name == b"av1C" and len(data) >= 4:
            _note(found, *_av1(data[2]))
        elif name == b"hvcC" and len(data) >= 19:
            _note(found, ("4:0:0", "4:2:0", "4:2:2", "4:4:4")[data[16] & 3], 8 + (data[17] & 7))
        elif name == b"colr" and data[:4] == b"nclx" and len(data) >= 10 and found.colours is None:
            found.colours, found.matrix = data[4:8], int.from_bytes(data[8:10], "big")
        elif name == b"auxC" and not _holds(content, begin, end, _ALPHA):
            found.besides.append("depth picture" if _holds(content, begin, end, _DEPTH) else "auxiliary picture")
        elif name == b"infe" and len(data) >= 12:
            _item(found, data, _holds(content, begin, end, (b"rdf+xml",)))
        elif name in _LEFT_OUT:
            found.besides.append(_LEFT_OUT[name])
    return found


def with_colours(content: bytes, colours: bytes) -> bytes:
    """The same file, its first description of colours (CICP) replaced by these four bytes; the matrix stays."""
    for name, begin, end in _walk(content, 0, len(content), [_MOST]):
        if name == b"colr" and content[begin : begin + 4] == b"nclx" and end - begin >= 10:
            return content[: begin + 4] + colours + content[begin + 8 :]
    return content


def _note(found: PictureBoxes, subsampling: str, depth: int) -> None:
    if found.subsampling is None:
        found.subsampling, found.depth = subsampling, depth


def _av1(flags: int) -> tuple[str, int]:
    """Subsampling and bits of the byte that follows profile and level."""
    high, twelve, grey, across, down = (bool(flags & 1 << bit) for bit in (6, 5, 4, 3, 2))
    subsampling = "4:0:0" if grey else "4:2:0" if across and down else "4:2:2" if across else "4:4:4"
    return subsampling, 12 if twelve else 10 if high else 8


def _holds(content: bytes, begin: int, end: int, words: tuple[bytes, ...]) -> bool:
    return any(content.find(word, begin, end) >= 0 for word in words)


def _item(found: PictureBoxes, data: bytes, is_xmp: bool) -> None:
    """An entry of the list of items: what it is, four letters, follows its number."""
    at = 10 if data[0] == 3 else 8
    if (kind := data[at : at + 4]) in _LEFT_OUT:
        found.besides.append(_LEFT_OUT[kind])
    elif kind == b"mime" and is_xmp:
        found.besides.append("XMP data")


_INSIDE: Final = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iinf": 6, b"iref": 4}
"""Boxes that hold boxes, and the bytes before the first of them."""


def _walk(content: bytes, begin: int, end: int, left: list[int], depth: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Names of boxes, and where the data of each begins and ends; those inside follow the one that holds them."""
    while begin + 8 <= end and left[0] > 0:
        left[0] -= 1
        length, name = struct.unpack_from(">I4s", content, begin)
        data = begin + 8
        if length == 1 and begin + 16 <= end:
            length, data = int.from_bytes(content[begin + 8 : begin + 16], "big"), begin + 16
        stop = end if length == 0 else begin + length
        if stop < data or stop > end:
            return
        yield name, data, stop
        if name in _INSIDE and depth < _DEEPEST:
            # `iinf` counts its entries in two bytes, or in four from its version 1 on.
            wide = name == b"iinf" and content[data : data + 1] not in (b"\0", b"")
            yield from _walk(content, data + _INSIDE[name] + 2 * wide, stop, left, depth + 1)
        begin = stop
