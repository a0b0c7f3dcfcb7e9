"""How large a picture may be: a small file can claim one that fills the memory of any machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import av
import av.logging
from av.error import FFmpegError

from streamer.errors import InputError
from streamer.media.formats import opened

_MARGIN = 128  # pixels per side by which a coded picture may exceed what is shown of it
_EXCEEDED = re.compile(r"Picture size (\d+)x(\d+) exceeds")
_TRIED = 8  # packets in which a picture that was refused is looked for


@dataclass(frozen=True, slots=True)
class PictureLimit:
    """Pictures may have as many pixels as one of `width` x `height`, whatever their shape."""

    width: int = 8192
    height: int = 8192

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """How many pixels a picture may have."""
        return self.width * self.height

    @property
    def codec_options(self) -> dict[str, str]:
        """What keeps FFmpeg from allocating larger pictures, in the middle of a file as well."""
        return {"max_pixels": str(min((self.width + _MARGIN) * (self.height + _MARGIN), 2**31 - 1))}

    def check(self, path: Path, width: int, height: int) -> None:
        """Raises InputError when the pictures of the file `path` are larger."""
        if width * height > self.pixels:
            raise InputError(path, f"its pictures are {width}x{height}, more than the {self} that --max-size allows")

    def check_refused(self, path: Path) -> None:
        """The same for a file none of whose pictures could be decoded: was it because they are too large?

        Opens the file once more to hear what FFmpeg says, which is all that it tells of it.
        """
        level = av.logging.get_level()
        av.logging.set_level(av.logging.ERROR)
        try:
            with av.logging.Capture(local=True) as said:
                _try(path, self)
        finally:
            av.logging.set_level(level)
        for _, _, text in said:
            if found := _EXCEEDED.search(text):
                self.check(path, int(found[1]), int(found[2]))


DEFAULT_LIMIT = PictureLimit()


def _try(path: Path, limit: PictureLimit) -> None:
    try:
        with opened(path, limit.codec_options) as container:
            for count, packet in enumerate(container.demux(video=0)):
                packet.stream.codec_context.options = limit.codec_options
                packet.decode()
                if count >= _TRIED:
                    return
    except (FFmpegError, IndexError, ValueError, OSError):
        return  # what was said until then is what counts
