"""Reads a file without a line of this project: how many packets and pictures there are, and what they show."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
from av.codec.context import Flags, ThreadType
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

MOST_PICTURES: Final = 400
MOST_PIXELS: Final = 4_000_000
"""Larger ones are counted and not looked at."""
_MOST_ERRORS: Final = 64


@dataclass
class Reading:
    """`pictures` in the order they came; `seconds` is when each is shown, None where the file does not say.

    `damaged` counts packets and pictures that FFmpeg flags as corrupt, or refuses. `complete`: all pictures are there.
    """

    packets: int = 0
    count: int = 0
    damaged: int = 0
    pictures: list[av.VideoFrame] = field(default_factory=list)
    seconds: list[float | None] = field(default_factory=list)
    complete: bool = True
    opened: bool = False


def read(path: Path, *, corrupt_too: bool = False) -> Reading:
    """Everything of the main video; `corrupt_too`: pictures that the decoder knows to be damaged, as well."""
    found = Reading()
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream = _main_video(container.streams.video)
            if stream is None:
                return found
            context = stream.codec_context
            context.thread_type, context.thread_count = ThreadType.NONE, 1
            if corrupt_too:
                context.flags |= Flags.output_corrupt
            found.opened = True
            _decode(container, stream, found)
    except (FFmpegError, ValueError, OverflowError, ZeroDivisionError):
        found.damaged += 1
    return found


def _main_video(streams: tuple[VideoStream, ...]) -> VideoStream | None:
    """Not cover art; the default one, else the largest."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    contexts: list[tuple[object, VideoStream]] = [(s.codec_context, s) for s in streams if not s.disposition & still]
    usable = [stream for context, stream in contexts if context is not None]
    return max(
        usable,
        key=lambda s: (
            bool(s.disposition & Disposition.default),
            s.codec_context.width * s.codec_context.height,
            -s.index,
        ),
        default=None,
    )


def _decode(container: av.container.InputContainer, stream: VideoStream, found: Reading) -> None:
    errors = 0
    while errors < _MOST_ERRORS:
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                found.packets += not packet.is_discard
                found.damaged += packet.is_corrupt
                errors = 0
                _take(stream, packet, found)
            break
        except FFmpegError:
            errors += 1
            found.damaged += 1
    _take(stream, None, found)


def _take(stream: VideoStream, packet: av.Packet[VideoStream] | None, found: Reading) -> None:
    try:
        frames = stream.codec_context.decode(packet)
    except FFmpegError as error:
        if not isinstance(error, av.error.EOFError):
            found.damaged += 1
        return
    for frame in frames:
        found.count += 1
        found.damaged += frame.is_corrupt
        if len(found.pictures) < MOST_PICTURES and frame.width * frame.height <= MOST_PIXELS:
            found.pictures.append(frame)
            found.seconds.append(None if frame.pts is None else float(frame.pts * (frame.time_base or 0)))
        else:
            found.complete = False
