"""A file in the making: it has a hidden name until it is whole, and what a killed run left is cleared away."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
from pathlib import Path

_ATTEMPTS = 8
_NAME_BYTES = 200  # of the target's name: file systems take 255 bytes in all


class Partial:
    """A new, hidden file beside `target`, locked for as long as this object lives.

    The lock tells a file that is being written from what a killed run left: the system lets go of it whatever ends the
    process. Left files of the same target are removed. Raises OSError when no file can be made there.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        _clear(target)
        for _ in range(_ATTEMPTS):
            self.path = target.with_name(f"{_stem(target)}{secrets.token_hex(4)}.part")
            self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
            _lock(self._file)
            if _is_at(self.path, self._file):
                return
            os.close(self._file)  # another run took it for a dead one's before it was locked
        raise FileNotFoundError(2, "what is made there vanishes", str(target))

    def publish(self, overwrite: bool) -> None:
        """Give it its real name. Raises FileExistsError when there is such a file and it must not be replaced."""
        if overwrite:
            self.path.replace(self.target)
        else:
            self._claim()
        self._release()

    def _claim(self) -> None:
        try:
            os.link(self.path, self.target)  # unlike a rename, it never replaces anything
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: claim the name first
            os.close(os.open(self.target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            try:
                self.path.replace(self.target)
            except OSError:
                self.target.unlink()
                raise
        else:
            self.path.unlink()

    def discard(self) -> None:
        """Remove it; may be called twice, and after `publish`, when there is nothing to remove."""
        if self._file >= 0:
            self.path.unlink(missing_ok=True)
            self._release()

    def _release(self) -> None:
        file, self._file = self._file, -1
        os.close(file)


def _stem(target: Path) -> str:
    name = os.fsencode(target.name)[:_NAME_BYTES].decode("utf-8", "ignore")
    return f".{name}."


def _lock(file: int) -> bool:
    """Whether it could be locked; False where another process has it, or where there are no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(path: Path, file: int) -> bool:
    """Whether the open file is the one with this name."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _clear(target: Path) -> None:
    """Remove what dead runs left of this target: ours, and not locked by anyone."""
    left = re.compile(re.escape(_stem(target)) + r"[0-9a-f]{8}\.part")
    with contextlib.suppress(OSError):
        for path in target.parent.iterdir():
            if left.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(file)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if ours and _lock(file) and _is_at(path, file):
            path.unlink()
    finally:
        os.close(file)
