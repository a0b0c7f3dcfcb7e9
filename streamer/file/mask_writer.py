"""Writes the decisions of a job beside its copy: JSON Lines, or MOTChallenge rows where the name ends in .csv."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from core.masked_frame import MaskedFrame
from streamer.atomic_file import Partial
from streamer.errors import OutputError
from streamer.file.mask_record import RecordHeader, mot_rows, recorded

SUFFIXES = {".jsonl", ".ndjson", ".csv"}


def check_masks_target(path: Path, others: Iterable[Path], overwrite: bool) -> None:
    """Raises OutputError when the record must not or cannot be written there, before any work is done.

    `others` are the job's other files, which a record never replaces.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(path, "a record of masks ends in .jsonl, or in .csv for MOTChallenge rows")
    try:
        if not path.parent.is_dir():
            raise OutputError(path, f"the directory {path.parent} does not exist")
        if path.is_dir():
            raise OutputError(path, "is a directory")
        for other in others:
            if path.absolute() == other.absolute() or (path.exists() and other.exists() and path.samefile(other)):
                raise OutputError(path, "is another file of this job; the record needs a name of its own")
        if os.path.lexists(path) and not overwrite:
            raise OutputError(path, "exists already; --overwrite replaces it")
    except OSError as error:
        raise OutputError(path, f"the record of masks cannot be written ({error.strerror or error})") from error


class MaskWriter:
    """One record in the making; a context manager.

    Call `complete` after the last frame and `publish` when the copy has its name: until then the record has a hidden
    name, and leaving the block without it removes it. Raises OutputError when it cannot be written.
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
            pass  # what was not written goes with the file
        finally:
            self._partial.discard()

    def write(self, masked: MaskedFrame) -> None:
        """Add the decision on a frame; frames come in order."""
        if self._rows:
            for row in mot_rows(masked):
                self._write(row)
        else:
            self._write(recorded(masked).model_dump_json())

    def complete(self) -> None:
        """No more frames: everything is on the disk, still under the hidden name."""
        try:
            self._file.close()
        except OSError as error:
            raise self._unwritable(error) from error

    def publish(self) -> None:
        """Give the record its name, after `complete`."""
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
            return OutputError(self._target, "appeared meanwhile; --overwrite replaces it")
        return OutputError(self._target, f"the record of masks cannot be written ({error.strerror or error})")
