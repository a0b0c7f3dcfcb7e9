"""The hidden folder beside a target in which finished units wait for the others, also for the next run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Final

from streamer.errors import OutputError
from streamer.settings.file import Settings
from streamer.units.plan import UnitPlan
from streamer.units.span import UnitSpan
from streamer.units.unit_file import UnitFileError, UnitReader
from streamer.version import VERSION

_RECIPE: Final = "recipe.json"
_NAME_BYTES: Final = 200  # kept of the target's name: file systems allow 255 bytes in total


class UnitsFolder:
    """A context manager. Units of an earlier run are used if they were made from the same file in the same way.

    Leaving it normally removes the folder, and so does a ValueError, which says that units are of no use. Any other
    exception leaves it, if it holds a unit, for the next run. Only its owner can look inside, and only one run at a
    time uses it. Raises OutputError and OSError.
    """

    def __init__(self, target: Path, input_sha256: str, settings: Settings, plan: UnitPlan) -> None:
        name = os.fsencode(target.name)[:_NAME_BYTES].decode("utf-8", "ignore")
        self.path = target.with_name(f".{name}.units")
        if self.path.is_symlink():
            raise OutputError(target, f"{self.path.name} beside it is a symbolic link")
        self.path.mkdir(mode=0o700, exist_ok=True)
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(self._lock).st_uid != os.geteuid():
                raise OutputError(target, f"{self.path.name} beside it belongs to somebody else")
            self._take(target)
            recipe = json.dumps([VERSION, input_sha256, settings.fingerprint(), plan.to_json()])
            if self._recipe() != recipe:
                for path in self.path.iterdir():
                    path.unlink(missing_ok=True)
                (self.path / _RECIPE).write_text(recipe)
            for path in self.path.glob("*.part"):
                path.unlink(missing_ok=True)
            self._done = {span.number for span in plan.units if self._is_whole(span)}
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> UnitsFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, ValueError) or not any(self.path.glob("*.unit")):
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def is_done(self, span: UnitSpan) -> bool:
        """Whether an earlier run has finished this unit."""
        return span.number in self._done

    def unit(self, span: UnitSpan) -> Path:
        """Where a unit is kept."""
        return self.path / f"{span.number:05}.unit"

    def unfinished(self, span: UnitSpan) -> Path:
        """A new name under which a unit is written.

        Processes of a run that was killed may still write theirs for a moment, and remove them when they notice.
        """
        return self.path / f"{span.number:05}.{secrets.token_hex(4)}.part"

    def _take(self, target: Path) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(target, "is being made by another process at the moment") from error
        except OSError:
            return  # a file system without locks
        # Whoever held the lock may have removed the folder meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self.path.lstat(), os.fstat(self._lock)):
                return
        raise OutputError(target, "was being made by another process until now; try again")

    def _recipe(self) -> str | None:
        try:
            return (self.path / _RECIPE).read_text()
        except (OSError, ValueError):
            return None

    def _is_whole(self, span: UnitSpan) -> bool:
        try:
            reader = UnitReader(self.unit(span))
            reader.check()
        except (OSError, UnitFileError):
            return False
        return reader.trailer.span == span.to_json()
