"""A hidden folder beside a target for what is not finished yet; leftovers of killed runs are removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path

from streamer.atomic_file import Partial, clear_leftovers, hidden_name


class WorkFolder:
    """A context manager; `path` is the folder, which is removed at the end.

    Only its owner can look inside. It is locked while this object lives, which distinguishes it from a leftover.
    Raises OSError if it cannot be created.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        clear_leftovers(target, "work", _remove_if_dead)
        self.path = hidden_name(target, "work")
        self.path.mkdir(mode=0o700)
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def __enter__(self) -> WorkFolder:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def publish(self, file: Path, overwrite: bool) -> None:
        """Give a file of this folder the target's name. Raises OSError, or FileExistsError without `overwrite`."""
        partial = Partial(self._target)
        try:
            file.replace(partial.path)
            partial.publish(overwrite)
        finally:
            partial.discard()


def _remove_if_dead(path: Path) -> None:
    """Remove a folder that we own and that nobody has locked."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(folder).st_uid == os.geteuid():
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(folder)
