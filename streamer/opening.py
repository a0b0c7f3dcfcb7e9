"""Opens an input and finds the video in it, or says in one line why there is none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import av
from av.container.input import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from streamer.errors import InputError

_PICTURES_BESIDE = Disposition.attached_pic | Disposition.timed_thumbnails
_SNIFFED = 4096
_NO_INDEX = "is truncated: the index (moov) that a recorder writes last is missing or incomplete"


def open_input(path: Path) -> InputContainer:
    """The open container. Raises InputError that names the cause."""
    _check_file(path)
    try:
        # Absolute, so that no part of the name is taken for a protocol; nothing but local files may be opened from it.
        return av.open(
            str(path.absolute()), "r", metadata_errors="replace", container_options={"protocol_whitelist": "file"}
        )
    except FFmpegError as error:
        raise InputError(path, _why_unreadable(path, error)) from error


def pick_video(path: Path, container: InputContainer) -> VideoStream:
    """The stream to mask: not cover art, the one marked default first, then the largest picture.

    Raises InputError when there is none or when it cannot be decoded.
    """
    if container.format.name.startswith("mov") and not _has_whole_index(path):
        raise InputError(path, _NO_INDEX)
    streams = [s for s in container.streams if isinstance(s, VideoStream) and not is_still(s)]
    if not streams:
        sound = any(s.type == "audio" for s in container.streams)
        raise InputError(path, "has sound but no video" if sound else "has no video")
    usable = [s for s in streams if _has_decoder(s)]
    if not usable:
        raise InputError(path, f"no decoder for its video codec ({codec_tag(streams[0])})")

    def rank(stream: VideoStream) -> tuple[bool, int, int]:
        context = stream.codec_context
        return bool(stream.disposition & Disposition.default), context.width * context.height, -stream.index

    return max(usable, key=rank)


def is_still(stream: VideoStream) -> bool:
    """Whether a video stream is cover art or thumbnails."""
    return bool(stream.disposition & _PICTURES_BESIDE)


def codec_tag(stream: VideoStream) -> str:
    """What can be said of a codec that nothing here knows."""
    return (stream.codec_context.name if _has_decoder(stream) else None) or "unknown"


def _has_decoder(stream: VideoStream) -> bool:
    # PyAV leaves the context out when FFmpeg has no decoder, though the stubs do not say so.
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
    except OSError as error:
        raise InputError(path, f"cannot be opened ({os.strerror(error.errno or 0)})") from error


def _why_unreadable(path: Path, error: FFmpegError) -> str:
    with path.open("rb") as file:
        head = file.read(_SNIFFED)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        if not _has_whole_index(path):
            return _NO_INDEX
        return "is damaged: its index cannot be read"
    if _is_text(head):
        return "is a text file, not a video"
    return f"is not a video that FFmpeg can read ({(error.strerror or 'unknown error').lower()})"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # otherwise only the last character was cut in two
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
