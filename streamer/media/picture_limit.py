"""Limits the picture size: a tiny file can declare a picture that exhausts any machine's memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import av
import av.logging
from av.error import FFmpegError

from streamer.errors import InputError
from streamer.media.formats import open_file

_MARGIN = 128  # pixels per side by which the coded size may exceed the displayed size
_EXCEEDED = re.compile(r"Picture size (\d+)x(\d+) exceeds")
_TRIED = 8  # packets to decode in search of the rejected picture


@dataclass(frozen=True, slots=True)
class PictureLimit:
    """Pictures may have up to `width` x `height` pixels, in any aspect ratio."""

    width: int = 8192
    height: int = 8192

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """The largest allowed number of pixels."""
        return self.width * self.height

    @property
    def codec_options(self) -> dict[str, str]:
        """Codec options that keep FFmpeg from allocating larger pictures, also in the middle of a file."""
        return {"max_pixels": str(min((self.width + _MARGIN) * (self.height + _MARGIN), 2**31 - 1))}

    def check(self, path: Path, width: int, height: int) -> None:
        """Raises InputError if the pictures of the file `path` are larger."""
        if width * height > self.pixels:
            raise InputError(path, f"its pictures are {width}x{height}, more than the {self} that --max-size allows")

    def check_refused(self, path: Path) -> None:
        """Raises InputError if no picture of the file could be decoded because they are too large.

        Opens the file again, because FFmpeg reports this only in its log.
        """
        level = av.logging.get_level()
        av.logging.set_level(av.logging.ERROR)
        try:
            with av.logging.Capture(local=True) as log_lines:
                _try(path, self)
        finally:
            av.logging.set_level(level)
        for _, _, text in log_lines:
            if found := _EXCEEDED.search(text):
                self.check(path, int(found[1]), int(found[2]))


DEFAULT_LIMIT = PictureLimit()


def _try(path: Path, limit: PictureLimit) -> None:
    try:
        with open_file(path, limit.codec_options) as container:
            for count, packet in enumerate(container.demux(video=0)):
                packet.stream.codec_context.options = limit.codec_options
                packet.decode()
                if count >= _TRIED:
                    return
    except (FFmpegError, IndexError, ValueError, OSError):
        return  # only the log lines so far matter
