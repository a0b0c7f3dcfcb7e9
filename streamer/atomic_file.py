"""Atomic output files: hidden until complete; leftovers of killed runs are removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

_ATTEMPTS = 8
_NAME_BYTES = 200  # kept of the target's name: file systems allow 255 bytes in total


class Partial:
    """A new hidden file next to `target`, locked for the lifetime of this object.

    The lock distinguishes a file that is being written from a leftover of a killed run: the system releases it however
    the process ends. Leftovers for the same target are removed. `mode`: its permissions at most, less what the umask
    takes. Raises OSError if no file can be created there.
    """

    def __init__(self, target: Path, mode: int = 0o666) -> None:
        self.target = target
        clear_leftovers(target, "part", _remove_if_dead)
        for _ in range(_ATTEMPTS):
            self.path = hidden_name(target, "part")
            self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, mode)
            _lock(self._file)
            if _is_at(self.path, self._file):
                return
            os.close(self._file)  # another run took it for a leftover before it was locked
        raise FileNotFoundError(2, "new files keep disappearing", str(target))

    def publish(self, overwrite: bool) -> None:
        """Rename it to `target`. Raises FileExistsError if the target exists and `overwrite` is False."""
        if overwrite:
            self.path.replace(self.target)
        else:
            self._claim()
        self._release()

    def _claim(self) -> None:
        try:
            os.link(self.path, self.target)  # unlike a rename, never replaces an existing file
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
        """Remove it. May be called twice, and after `publish` (then it does nothing)."""
        if self._file >= 0:
            self.path.unlink(missing_ok=True)
            self._release()

    def _release(self) -> None:
        file, self._file = self._file, -1
        os.close(file)


def write_atomically(target: Path, data: bytes, overwrite: bool, mode: int = 0o666) -> None:
    """Write a whole file, with `mode` as of a `Partial`. Raises OSError; FileExistsError as `publish` does."""
    partial = Partial(target, mode)
    try:
        partial.path.write_bytes(data)
        partial.publish(overwrite)
    finally:
        partial.discard()


def hidden_name(target: Path, suffix: str) -> Path:
    """A new name beside the target for what is not complete yet; `clear_leftovers` knows it again."""
    return target.with_name(f"{_stem(target)}{secrets.token_hex(4)}.{suffix}")


def clear_leftovers(target: Path, suffix: str, remove_if_dead: Callable[[Path], None]) -> None:
    """Call `remove_if_dead` for everything with a hidden name for this target. Its OSErrors are ignored."""
    left = re.compile(re.escape(_stem(target)) + rf"[0-9a-f]{{8}}\.{suffix}")
    with contextlib.suppress(OSError):
        for path in target.parent.iterdir():
            if left.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    remove_if_dead(path)


def _stem(target: Path) -> str:
    name = os.fsencode(target.name)[:_NAME_BYTES].decode("utf-8", "ignore")
    return f".{name}."


def _lock(file: int) -> bool:
    """Try to lock the file. False if another process holds the lock or the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(path: Path, file: int) -> bool:
    """Whether `path` still names the open file."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _remove_if_dead(path: Path) -> None:
    """Remove a file that we own and that nobody has locked."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(file)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if ours and _lock(file) and _is_at(path, file):
            path.unlink()
    finally:
        os.close(file)
