"""Checkpoints: signed notes (C2SP) that say how long the log was and how it ended. Kept elsewhere, they bind it.

Laid out as in C2SP tlog-checkpoint. The third line is the hash of the last entry, not the root of a Merkle tree: each
entry holds the hash of the one before, so this one hash stands for all.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from core.owned_thread import POLL, OwnedThread
from streamer.atomic_file import write_atomically
from streamer.errors import ConfigError
from streamer.service.audit.keys import AuditKey, PublicKey
from streamer.service.audit.log import FIRST
from streamer.service.store.database import BusyError, Database, StorageError
from streamer.service.store.tables import AuditRow

_log = logging.getLogger("veilcast.audit")

SUFFIX: Final = ".checkpoint"
_LONGEST: Final = 64 * 1024  # bytes of a note; room for many witnesses' signatures
_DASH: Final = "\N{EM DASH}"
_NAME: Final = re.compile(rf"audit-(\d{{12,}}){re.escape(SUFFIX)}")


class CheckpointError(Exception):
    """It is no checkpoint of this log, or cannot be written; one line says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, how many entries it had, and the hash of the last one (32 bytes; zeros if there was none)."""

    origin: str
    size: int
    head: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.head).decode()}\n"


def signed_note(checkpoint: Checkpoint, key: AuditKey) -> bytes:
    """The checkpoint with its signature, as a file holds it."""
    mark = base64.b64encode(key.public.id + key.sign(checkpoint.text.encode())).decode()
    return f"{checkpoint.text}\n{_DASH} {key.public.name} {mark}\n".encode()


def opened_note(note: bytes, key: PublicKey) -> Checkpoint:
    """The checkpoint that was signed with this key; signatures of others are ignored. Raises CheckpointError."""
    try:
        text, blank, signatures = note[: _LONGEST + 1].decode().rpartition("\n\n")
    except UnicodeDecodeError:
        raise CheckpointError("not a checkpoint") from None
    match = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)(?:\n[^\n]+)*", text)
    if len(note) > _LONGEST or not blank or match is None or not signatures.endswith("\n"):
        raise CheckpointError("not a checkpoint")
    ours = [mark for name, mark in map(_signature, signatures[:-1].split("\n")) if name == key.name]
    ours = [mark[4:] for mark in ours if mark[:4] == key.id]
    if not ours:
        raise CheckpointError("not signed with the log's key")
    if not all(key.signed(f"{text}\n".encode(), mark) for mark in ours):
        raise CheckpointError("its signature is wrong: it was changed")
    if match[1] != key.name:
        raise CheckpointError(f"of another log, {match[1][:100]!r}")
    return Checkpoint(match[1], int(match[2]), base64.b64decode(match[3]))


def _signature(line: str) -> tuple[str, bytes]:
    dash, name, mark = [*line.split(" "), "", "", ""][:3]
    try:
        return (name if dash == _DASH else ""), base64.b64decode(mark, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointError("a line of its signatures is damaged") from None


class Checkpoints:
    """Writes a checkpoint into a folder whenever there is enough to say. Not thread-safe.

    The folder belongs on another machine or medium: whoever can change the log must not be able to change it, too.
    It is never created: while its medium is not mounted, checkpoints would go to the disk that has the log.
    """

    def __init__(
        self,
        database: Database,
        key: AuditKey,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
        *,
        entries: int = 1000,
        seconds: float = 600.0,
    ) -> None:
        """One is due after so many new entries, or any new ones after so many seconds of `clock`, any monotonic one."""
        self._database, self._key, self._folder, self._clock = database, key, folder, clock
        self._entries, self._seconds = entries, seconds
        self._since = clock()
        self._written: Checkpoint | None = None  # the folder may be emptied, as when it is archived

    def check(self) -> None:
        """Raises ConfigError if its folder does not exist or cannot be written to."""
        try:
            there = self._folder.is_dir()
        except OSError as error:
            raise ConfigError(self._folder, f"cannot be used for checkpoints ({error.strerror or error})") from error
        if not there:
            raise ConfigError(self._folder, "there is no such folder for checkpoints: is its medium mounted?")
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(self._folder, "checkpoints cannot be written to this folder")

    def write_if_due(self) -> Path | None:
        """Write one if it is due; its path. Raises CheckpointError, BusyError."""
        size = self._log_size()
        last = self._written or self._last()
        before = 0 if last is None else last.size
        late = self._clock() - self._since >= self._seconds
        return self.write() if size - before >= self._entries or (size > before and late) else None

    def write(self) -> Path | None:
        """Write one now; None if there are no entries since the last one. Raises CheckpointError, BusyError."""
        last = self._last()
        with self._database.reading() as session:
            row = session.scalar(select(AuditRow).order_by(AuditRow.number.desc()).limit(1))
            held = None if last is None or last.size == 0 else session.get(AuditRow, last.size)
        size, head = (0, bytes.fromhex(FIRST)) if row is None else (row.number, row.sha256)
        if last is not None and last.size > 0 and (held is None or held.sha256 != last.head):
            # Signed all the same, a log that was rewritten would look as if it had always been so.
            raise CheckpointError(f"the audit log is not the one that had {last.size} entries: no checkpoint is signed")
        if last is not None and last.size >= size:
            self._written = last
            return None
        path = self._folder / f"audit-{size:012}{SUFFIX}"
        made = Checkpoint(self._key.public.name, size, head)
        try:
            write_atomically(path, signed_note(made, self._key), overwrite=False)
        except FileExistsError:  # another server that writes to this folder was faster, and signs the same
            if self._last() != made:
                raise CheckpointError(f"{path}: somebody else wrote it meanwhile") from None
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be written ({error.strerror or error})") from error
        self._written, self._since = made, self._clock()
        return path

    def _log_size(self) -> int:
        with self._database.reading() as session:
            return session.scalar(select(AuditRow.number).order_by(AuditRow.number.desc()).limit(1)) or 0

    def _last(self) -> Checkpoint | None:
        """The longest one, in the folder or written before. Raises CheckpointError if it is not of this log."""
        path = self._folder
        try:
            path = max(checkpoint_files(self._folder), default=path, key=lambda found: found.name)
            return self._written if path == self._folder else opened_note(path.read_bytes(), self._key.public)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from error


class CheckpointThread:
    """Writes checkpoints for as long as it is open, and the last one when it is closed."""

    def __init__(self, checkpoints: Checkpoints, every: float = 5.0) -> None:
        """Looks every so many seconds whether one is due."""
        self._checkpoints, self._every = checkpoints, every
        self._trouble = ""
        self._thread = OwnedThread("veilcast-checkpoints", self._run)

    def start(self) -> None:
        """Begin; call once."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left to write, and end. May be called twice."""
        self._thread.close()

    def _run(self) -> None:
        due = 0.0
        while not self._thread.stopping.wait(POLL):
            if time.monotonic() >= due:
                self._attempt(self._checkpoints.write_if_due)
                due = time.monotonic() + self._every
        self._attempt(self._checkpoints.write)

    def _attempt(self, step: Callable[[], Path | None]) -> None:
        """The service goes on without checkpoints, but says so, once for each kind of trouble."""
        try:
            step()
            trouble = ""
        except (CheckpointError, BusyError) as error:
            trouble = str(error)
        except (DatabaseError, StorageError) as error:
            trouble = f"the audit log cannot be read ({type(error).__name__})"
        if trouble and trouble != self._trouble:
            _log.error("checkpoint of the audit log: %s", trouble)
        self._trouble = trouble


def checkpoint_files(folder: Path) -> Iterator[Path]:
    """The checkpoints in a folder, in no order; none if there is no such folder. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        yield from (path for path in folder.iterdir() if _NAME.fullmatch(path.name))
