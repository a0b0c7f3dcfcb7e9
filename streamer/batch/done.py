"""Remembers in the folder of the copies what was made from what, so that nothing is made twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from streamer.batch.plan import PlannedCopy
from streamer.batch.run import Outcome, Result
from streamer.file.report import digest
from streamer.settings.file import Settings
from streamer.version import VERSION

DONE_NAME: Final = ".veilcast-done.jsonl"


class _Entry(BaseModel):
    """A copy by its path in the folder, the hashes of both files, and what it was made with."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    copy_path: str
    input_sha256: str
    output_sha256: str
    made_with: str
    exit_code: int


def made_with(settings: Settings, *others: object) -> str:
    """SHA-256 over all that decides what a copy looks like: this version, its settings, and `others`."""
    text = json.dumps([VERSION, settings.fingerprint(), *others])
    return hashlib.sha256(text.encode()).hexdigest()


class DoneBefore:
    """The copies of a folder that need not be made again; lines of JSON in a hidden file, the last of a copy counts.

    A file that cannot be read or written, or a line that makes no sense, costs time and nothing else.
    """

    def __init__(self, directory: Path, recipe: str) -> None:
        self._directory, self._recipe = directory, recipe
        self._path = directory / DONE_NAME
        self._entries: dict[str, _Entry] = {}
        with contextlib.suppress(OSError):
            for line in self._path.read_bytes().splitlines():
                with contextlib.suppress(ValidationError):
                    entry = _Entry.model_validate_json(line)
                    self._entries[entry.copy_path] = entry

    def result(self, copy: PlannedCopy, interrupt: threading.Event | None = None) -> Result | None:
        """How the copy ended earlier, if it is still there as it was made, from this input in this way.

        Raises InterruptedJobError once `interrupt` is set.
        """
        entry = self._entries.get(self._key(copy))
        if entry is None or entry.made_with != self._recipe:
            return None
        try:
            same = digest(copy.source, interrupt).sha256 == entry.input_sha256
            same = same and digest(copy.target, interrupt).sha256 == entry.output_sha256
        except OSError:
            return None
        if not same:
            return None
        said = f"{copy.source} -> {copy.target}: made before in the same way"
        return Result(copy, Outcome.KEPT, entry.exit_code, error=said)

    def note(self, result: Result) -> None:
        """Remember a copy that has been made."""
        if result.report is None:
            return
        entry = _Entry(
            copy_path=self._key(result.copy),
            input_sha256=result.report.input.sha256,
            output_sha256=result.report.output.sha256,
            made_with=self._recipe,
            exit_code=result.exit_code,
        )
        with contextlib.suppress(OSError), self._path.open("ab") as file:
            file.write(f"{entry.model_dump_json()}\n".encode())

    def _key(self, copy: PlannedCopy) -> str:
        return os.fsencode(copy.target.relative_to(self._directory)).decode("utf-8", "backslashreplace")
