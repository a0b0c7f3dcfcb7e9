"""Originals that a worker keeps between two steps of a job, so that it need not fetch them for every unit."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path


class KeptOriginals:
    """At most `most` files in a folder, each under its job's name. Any number of threads and processes may share it.

    A file changes hands by being renamed, so two never have the same one. Does not raise: whatever is not there is
    fetched.
    """

    def __init__(self, folder: Path, most: int = 1) -> None:
        self._folder, self._most = folder, most

    def take(self, job: str, target: Path) -> bool:
        """Move a job's original to `target`; False if it is not here."""
        with suppress(OSError):
            (self._folder / job).rename(target)
            return True
        return False

    def keep(self, job: str, original: Path) -> None:
        """Move a job's original here, in place of the oldest one if there are too many."""
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            others = [path for path in self._folder.iterdir() if path.name != job]
            others.sort(key=lambda path: path.stat().st_ctime)
            for path in others[: max(0, len(others) + 1 - self._most)]:
                path.unlink(missing_ok=True)
            original.rename(self._folder / job)

    def tidy(self, running: Callable[[Iterable[str]], set[str]]) -> None:
        """Delete the originals of jobs that have ended; `running` says which have not."""
        with suppress(OSError):
            kept = {path.name for path in self._folder.iterdir()} if self._folder.is_dir() else set[str]()
            for name in kept - running(kept) if kept else ():
                (self._folder / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete all of them."""
        shutil.rmtree(self._folder, ignore_errors=True)
