"""Reads a record of decisions, line by line beside the frames that it is about."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from core.frame import Frame, Verdict
from streamer.errors import InputError
from streamer.file.mask_record import RecordedFrame, RecordHeader
from streamer.file.report import FileDigest
from streamer.settings.problems import problems_of

LONGEST_LINE = 4 << 20
"""Bytes; about 30,000 regions in one frame."""

L = TypeVar("L", bound=BaseModel)


class MaskRecord:
    """One record, open; a context manager. `header` is its first line.

    Raises InputError, which names the line and what is wrong with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self._last = -1
        self._file = _opened(path)
        try:
            first = self._read(RecordHeader)
            if first is None:
                raise InputError(path, "is empty: a record of masks begins with a line about its video")
        except BaseException:
            self._file.close()
            raise
        self.header = first
        self._next: RecordedFrame | None = None
        self._started = False

    def __enter__(self) -> MaskRecord:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def check_input(self, source: FileDigest) -> None:
        """Raises InputError when the record says that it was made from another file."""
        about = self.header.input
        if about is not None and about.sha256 != source.sha256:
            raise InputError(
                self._path,
                f"line 1: was made from another video (sha256 {about.sha256[:12]}..., this one has "
                f"{source.sha256[:12]}...); remove `input` from that line to use it all the same",
            )

    def verdict(self, frame: Frame) -> Verdict | None:
        """The decision on this frame, or None where the record has none; frames come in order."""
        if not self._started:
            self._started = True
            width, height = self.header.width, self.header.height
            size = frame.upright_size
            if (width or size[0], height or size[1]) != size:
                raise InputError(
                    self._path, f"line 1: pictures are {size[0]}x{size[1]}, not {width or size[0]}x{height or size[1]}"
                )
            self._advance()
        found = self._next
        if found is None or found.frame != frame.index:
            return None
        if found.pts is not None and found.pts != frame.video.pts:
            raise self._wrong(f"frame {frame.index} of the video has pts {frame.video.pts}, not {found.pts}")
        self._advance()
        return found.verdict()

    def finish(self, frames: int) -> None:
        """Raises InputError when the record goes on where the video, of so many frames, is over."""
        if self._next is not None:
            raise self._wrong(f"there is no frame {self._next.frame}: the video has {frames} frames, from 0 on")

    def _advance(self) -> None:
        self._next = self._read(RecordedFrame)
        if self._next is not None:
            if self._next.frame <= self._last:
                raise self._wrong(f"frame {self._next.frame} comes after frame {self._last}; frames must be in order")
            self._last = self._next.frame

    def _read(self, kind: type[L]) -> L | None:
        while True:
            try:
                line = self._file.readline(LONGEST_LINE + 1)
            except OSError as error:
                raise InputError(self._path, f"cannot be read ({error.strerror or error})") from error
            self._line += 1
            if not line:
                return None
            if len(line) > LONGEST_LINE:
                raise self._wrong(f"is longer than {LONGEST_LINE >> 20} MB")
            if line.strip():
                break
        try:
            return kind.model_validate_json(line)
        except ValidationError as error:
            raise self._wrong(str(problems_of(error, kind)[0])) from None

    def _wrong(self, why: str) -> InputError:
        return InputError(self._path, f"line {self._line}: {why}")


def _opened(path: Path) -> IO[bytes]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe that nobody writes to would hang
            raise InputError(path, "is not a regular file")
        return path.open("rb")
    except FileNotFoundError as error:
        raise InputError(path, "no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
