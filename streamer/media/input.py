"""Opens an input file and picks its video stream, or says in one line why it cannot."""

from __future__ import annotations

import errno
import os
import re
import stat
from fractions import Fraction
from pathlib import Path

from av.container.input import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from streamer.errors import InputError
from streamer.media.formats import open_file
from streamer.media.picture_limit import DEFAULT_LIMIT, PictureLimit

_PICTURES_BESIDE = Disposition.attached_pic | Disposition.timed_thumbnails
_SNIFFED = 4096
_LENGTH = re.compile(r"(\d{1,4}):(\d\d):(\d\d\.\d{1,9})")
_STILL_BRANDS = {  # checked in this order: an AVIF picture may also claim to be HEIF
    "AVIF": {b"avif", b"avis"},
    "HEIC": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"},
}
_NO_INDEX = "is truncated: the index (moov), which recorders write last, is missing or incomplete"


def open_input(path: Path, limit: PictureLimit = DEFAULT_LIMIT) -> InputContainer:
    """Open the file as a container. Raises InputError that names the cause.

    Only formats in `FILE_FORMATS` are opened, and nothing but the file itself is read. `limit` applies to pictures that
    are decoded while probing.
    """
    _check_file(path)
    try:
        return open_file(path, limit.codec_options)
    except (FFmpegError, OSError) as error:
        raise InputError(path, _why_unreadable(path, error)) from error


def pick_video(path: Path, container: InputContainer, limit: PictureLimit = DEFAULT_LIMIT) -> VideoStream:
    """The stream to mask: never cover art; the default stream if one is marked, otherwise the largest.

    Raises InputError if there is none, if it cannot be decoded or if its pictures are larger than `limit`.
    """
    if container.format.name.startswith("mov") and not _has_whole_index(path):
        raise InputError(path, _no_index(path))
    streams = [s for s in container.streams if isinstance(s, VideoStream) and not is_still(s)]
    if not streams:
        audio = any(s.type == "audio" for s in container.streams)
        raise InputError(path, "has audio but no video" if audio else "has no video")
    usable = [s for s in streams if _has_decoder(s)]
    if not usable:
        raise InputError(path, f"no decoder for its video codec ({codec_tag(streams[0])})")

    def rank(stream: VideoStream) -> tuple[bool, int, int]:
        context = stream.codec_context
        return bool(stream.disposition & Disposition.default), context.width * context.height, -stream.index

    best = max(usable, key=rank)
    limit.check(path, best.codec_context.width, best.codec_context.height)
    return best


def is_still(stream: VideoStream) -> bool:
    """Whether the stream is cover art or thumbnails, not video."""
    return bool(stream.disposition & _PICTURES_BESIDE)


def codec_tag(stream: VideoStream) -> str:
    """The codec's name, or "unknown" if FFmpeg has no decoder for it."""
    return (stream.codec_context.name if _has_decoder(stream) else None) or "unknown"


def _has_decoder(stream: VideoStream) -> bool:
    # Without a decoder, PyAV sets the context to None, contrary to its stubs.
    context: object = stream.codec_context
    return context is not None


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(path, "is a directory, not a video file")
        if stat.S_ISREG(status.st_mode) and status.st_size == 0:
            raise InputError(path, "is empty")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(path, "is not a regular file")
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise InputError(path, "does not exist") from error
    except PermissionError as error:
        raise InputError(path, "no permission to read it") from error
    except ValueError as error:
        raise InputError(Path(repr(str(path))), "is not a valid file name") from error
    except OSError as error:
        raise InputError(path, f"cannot be opened ({os.strerror(error.errno or 0)})") from error


def _why_unreadable(path: Path, error: FFmpegError | OSError) -> str:
    head = _head(path)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        if not _has_whole_index(path):
            return _no_index(path)
        return "is damaged: its index cannot be read"
    if head.startswith((b"#EXTM3U", b"ffconcat")):
        return "is a playlist, a text file that lists other files: pass one of those files instead"
    if _is_text(head):
        return "is a text file, not a video"
    if error.errno == errno.EINVAL:  # FFmpeg's error for a format that is not whitelisted
        return "is not in a supported video container format"
    return f"is not a video that FFmpeg can read ({(error.strerror or 'unknown error').lower()})"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_SNIFFED)


def _no_index(path: Path) -> str:
    """Why an ISO 14496-12 file has no index: it was cut off, or it is a still picture."""
    head = _head(path)
    if head[4:8] == b"ftyp":
        length = int.from_bytes(head[:4], "big")
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(length, len(head)), 4))}
        for kind, names in _STILL_BRANDS.items():
            if brands & names:
                return f"is a picture ({kind}), which is not supported: convert it to JPEG or PNG"
    return _NO_INDEX


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # otherwise only the last character was cut
            return False
        text = head[: error.start].decode("utf-8")
    return all(char.isprintable() or char in "\r\n\t\f" for char in text)


def _has_whole_index(path: Path) -> bool:
    size, offset = path.stat().st_size, 0
    with path.open("rb") as file:
        while offset + 8 <= size:
            file.seek(offset)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if header[4:8] == b"moov":
                return offset + length <= size
            if length < 8:
                return False
            offset += length
    return False


def claimed_end(video: VideoStream) -> int | None:
    """The pts at which the video ends according to the file's header, in the stream's time base; None if unknown.

    Matroska keeps the length of a stream in a tag.
    """
    length = video.duration
    if length is None and (found := _LENGTH.fullmatch(video.metadata.get("DURATION", ""))) and video.time_base:
        hours, minutes, seconds = (Fraction(part) for part in found.groups())
        length = int((3600 * hours + 60 * minutes + seconds) / video.time_base)
    return None if not length else (video.start_time or 0) + length
