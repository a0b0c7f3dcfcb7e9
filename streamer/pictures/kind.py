"""Which files are still pictures: told from their content, never from their name."""

from __future__ import annotations

import contextlib
import mmap
import re
import stat
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

from streamer.errors import OutputError
from streamer.file.masked_file import check_free
from streamer.pictures.isobmff import coding_of

Content = bytes | mmap.mmap

_MARKER: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)  # in coded data: neither stuffing nor restart
_SOI, _EOI = 0xD8, 0xD9
_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # start of frame, in any coding


class PictureKind(StrEnum):
    """File formats of pictures that are read and written."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    TIFF = "TIFF"
    HEIC = "HEIC"
    AVIF = "AVIF"
    GIF = "GIF"


SUFFIXES: Final[dict[PictureKind, tuple[str, ...]]] = {
    PictureKind.JPEG: (".jpg", ".jpeg", ".jpe", ".jfif"),
    PictureKind.PNG: (".png", ".apng"),
    PictureKind.WEBP: (".webp",),
    PictureKind.TIFF: (".tif", ".tiff"),
    PictureKind.HEIC: (".heic", ".heif", ".hif"),
    PictureKind.AVIF: (".avif",),
    PictureKind.GIF: (".gif",),
}
"""What a file of each kind may be called; new ones get the first."""


def picture_kind(path: Path) -> PictureKind | None:
    """The kind of picture that the file holds, animated or not; None for everything else, also if it cannot be read.

    Motion JPEG is a video. A TIFF of several pages is a picture here: the reader refuses it.
    """
    with contextlib.suppress(OSError, ValueError):  # of a name that is none; whoever opens it next says what is wrong
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return kind_of(content)
    return None


def kind_of(content: Content) -> PictureKind | None:
    """The same for the content of a file."""
    head = bytes(content[:16])
    if head.startswith(b"\xff\xd8\xff"):
        return None if _is_motion_jpeg(content) else PictureKind.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PictureKind.PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return PictureKind.GIF
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return PictureKind.WEBP
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return PictureKind.TIFF
    coding = coding_of(content)
    return None if coding is None else PictureKind(coding)


def picture_output(path: Path, kind: PictureKind) -> Path:
    """`team.jpg` -> `team.masked.jpg`; a name that does not fit the kind gets its usual ending."""
    return path.with_name(f"{path.stem}.masked{fitting_suffix(path, kind)}")


def fitting_suffix(path: Path, kind: PictureKind) -> str:
    """The file's own suffix if it fits its kind, otherwise the usual one."""
    return path.suffix if path.suffix.lower() in SUFFIXES[kind] else SUFFIXES[kind][0]


def check_picture_target(source: Path, target: Path, kind: PictureKind, overwrite: bool) -> None:
    """Raises OutputError if `target` must not or cannot be written. Call it before any work is done."""
    if target.suffix.lower() not in SUFFIXES[kind]:
        names = " or ".join(SUFFIXES[kind])
        raise OutputError(target, f"the copy of a {kind} picture is {kind}, too: the name must end in {names}")
    check_free(source, target, overwrite)


def jpeg_end(content: Content) -> int:
    """Where the first JPEG picture ends; the content's length if it is cut off."""
    found = _frame_header(content, 0)
    return len(content) if found is None else found[1]


def _is_motion_jpeg(content: Content) -> bool:
    """Whether another picture of the same size follows the first one, and the first does not announce it.

    A phone's file may also hold a preview or a second view (MPF): those are dropped, they are no video.
    """
    first = _frame_header(content, 0)
    if first is None:
        return False
    size, end, announces = first
    following = content.find(b"\xff\xd8\xff", end)
    if announces or following < 0 or following - end > 4096:  # some cameras pad their pictures
        return False
    second = _frame_header(content, following)
    return second is not None and second[0] == size


def _frame_header(content: Content, begin: int) -> tuple[bytes, int, bool] | None:
    """Size field, end, and whether it has an MPF segment, of the JPEG picture at `begin`; None if it is cut off."""
    size, announces = b"", False
    for marker, at in _segments(content, begin):
        if marker in _FRAMES:
            size = bytes(content[at + 3 : at + 7])
        elif marker == 0xE2 and content[at + 2 : at + 6] == b"MPF\0":
            announces = True
        elif marker == _EOI:
            return size, at, announces
    return None


def _segments(content: Content, begin: int) -> Iterator[tuple[int, int]]:
    """Markers of a JPEG picture, and where the data of each begins (its length field, if it has one)."""
    at = begin + 2
    while (found := _MARKER.search(content, at)) is not None:
        marker, at = found[1][0], found.end()
        yield marker, at
        if marker in (_SOI, _EOI):
            return
        if marker != 0x01:  # coded data, after SOS, is searched for the next marker
            at += int.from_bytes(content[at : at + 2], "big")


def is_animated_png(content: Content) -> bool:
    """Whether a PNG file has more than one frame (APNG)."""
    at = 8
    while at + 8 <= len(content):
        name = content[at + 4 : at + 8]
        if name in (b"IDAT", b"acTL"):
            return name == b"acTL"
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return False
