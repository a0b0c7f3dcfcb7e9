"""Reads a mask record line by line, in step with the frames of its video."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from core.config import MaskConfig
from core.frame import Frame, Verdict
from streamer.errors import InputError
from streamer.file.mask_record import RecordedFrame, RecordHeader
from streamer.file.report import FileDigest
from streamer.settings.problems import problems_of

LONGEST_LINE = 4 << 20
"""Bytes; enough for about 30,000 regions in one frame."""

L = TypeVar("L", bound=BaseModel)


class MaskRecord:
    """An open mask record; a context manager. `header` is its first line.

    Raises InputError, which names the line and the problem.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self._last = -1
        self._file = _opened(path)
        try:
            first = self._read(RecordHeader)
            if first is None:
                raise InputError(path, "is empty; a mask record starts with a header line about its video")
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
        """Raises InputError if the record was made from a different file."""
        about = self.header.input
        if about is not None and about.sha256 != source.sha256:
            raise InputError(
                self._path,
                f"line 1: was made from another video (sha256 {about.sha256[:12]}..., this one has "
                f"{source.sha256[:12]}...); remove `input` from that line to use it anyway",
            )

    def check_cover(self, mask: MaskConfig) -> MaskConfig:
        """The mask settings with the record's own `cover`: its regions have that size already.

        Raises InputError if heads are to be covered and the record is one of faces.
        """
        cover = self.header.mask.cover
        if mask.cover == "head" != cover:
            raise InputError(
                self._path,
                "line 1: was made with cover: face, so it cannot cover heads; make the record with cover: head",
            )
        return mask.model_copy(update={"cover": cover})

    def verdict(self, frame: Frame) -> Verdict | None:
        """The decision on this frame, or None if the record has none; call in frame order."""
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

    def decisions(self) -> Iterator[RecordedFrame]:
        """All decisions in order, without a video; instead of `verdict`."""
        while (decision := self._read(RecordedFrame)) is not None:
            yield decision

    def finish(self, frames: int) -> None:
        """Raises InputError if the record has frames beyond the end of the video, which has `frames` frames."""
        if self._next is not None:
            raise self._wrong(f"there is no frame {self._next.frame}: the video has {frames} frames, counted from 0")

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
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe without a writer would block
            raise InputError(path, "is not a regular file")
        return path.open("rb")
    except FileNotFoundError as error:
        raise InputError(path, "no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
