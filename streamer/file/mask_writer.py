"""Writes the decisions of a job to a file: JSON Lines, or MOTChallenge rows if the name ends in .csv."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from core.masked_frame import MaskedFrame
from streamer.atomic_file import Partial
from streamer.errors import OutputError
from streamer.file.mask_record import RecordedFrame, RecordHeader, mot_rows, recorded

SUFFIXES = {".jsonl", ".ndjson", ".csv"}


def check_masks_target(path: Path, others: Iterable[Path], overwrite: bool) -> None:
    """Raises OutputError if the record must not or cannot be written to `path`. Call it before any work is done.

    `others` are the other files of the job, which the record never replaces.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(path, "the name of a mask record must end in .jsonl, or in .csv for MOTChallenge rows")
    try:
        if not path.parent.is_dir():
            raise OutputError(path, f"the directory {path.parent} does not exist")
        if path.is_dir():
            raise OutputError(path, "is a directory")
        for other in others:
            if path.absolute() == other.absolute() or (path.exists() and other.exists() and path.samefile(other)):
                raise OutputError(path, "is another file of this job; choose a different name for the mask record")
        if os.path.lexists(path) and not overwrite:
            raise OutputError(path, "exists already; --overwrite replaces it")
    except OSError as error:
        raise OutputError(path, f"the mask record cannot be written ({error.strerror or error})") from error


class MaskWriter:
    """Writes one mask record; a context manager.

    Call `complete` after the last frame and `publish` once the copy has its name. Until then the record has a hidden
    name; leaving the block without `publish` removes it. Raises OutputError if it cannot be written.
    """

    def __init__(self, target: Path, header: RecordHeader, overwrite: bool) -> None:
        self._target, self._overwrite = target, overwrite
        self._rows = target.suffix.lower() == ".csv"
        try:
            self._partial = Partial(target)
            self._file = self._partial.path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise self._unwritable(error) from error
        if not self._rows:
            self._write(header.model_dump_json(by_alias=True))

    def __enter__(self) -> MaskWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError:
            pass  # the file is about to be deleted anyway
        finally:
            self._partial.discard()

    def write(self, masked: MaskedFrame) -> None:
        """Add the decision on a frame; call in frame order."""
        self.write_decision(recorded(masked), masked.upright_size)

    def write_decision(self, frame: RecordedFrame, size: tuple[int, int]) -> None:
        """Add a decision; `size` is that of the upright picture. Call in frame order."""
        if self._rows:
            for row in mot_rows(frame, size):
                self._write(row)
        else:
            self._write(frame.model_dump_json())

    def complete(self) -> None:
        """No more frames: write everything to disk, still under the hidden name."""
        try:
            self._file.close()
        except OSError as error:
            raise self._unwritable(error) from error

    def publish(self) -> None:
        """Give the record its final name; call after `complete`."""
        try:
            self._partial.publish(self._overwrite)
        except OSError as error:
            raise self._unwritable(error) from error

    def _write(self, line: str) -> None:
        try:
            self._file.write(line + "\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutputError:
        if isinstance(error, FileExistsError):
            return OutputError(self._target, "appeared in the meantime; --overwrite replaces it")
        return OutputError(self._target, f"the mask record cannot be written ({error.strerror or error})")
