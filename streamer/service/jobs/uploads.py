"""Files that are sent in, piece by piece. A piece counts once it is stored; whoever is cut off goes on from there."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from streamer.service.access.caller import Caller
from streamer.service.audit.entry import SYSTEM, AuditAction, AuditEntry
from streamer.service.audit.log import record
from streamer.service.jobs.errors import ConflictError, InvalidError, NotFoundError, QuotaError, TooMuchError
from streamer.service.jobs.job import ACTIVE
from streamer.service.store.blobs import Blobs, is_id, new_id
from streamer.service.store.database import Database, UncertainError
from streamer.service.store.tables import JobRow, PartRow, UploadRow

Clock = Callable[[], float]
"""Seconds since 1970."""

OPEN: Final = 100
"""Uploads that one owner may have begun and not finished."""
FEW: Final = 1000
"""Pieces of an upload that may be of any size; those after them may not be small, the last one excepted."""
SMALL: Final = 64 * 1024
"""Bytes from which on a piece is not small."""
MOST_PIECES: Final = 100_000

GONE = "no such upload: it was never here, is somebody else's, or its job has ended"


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload at one moment: `received` bytes are stored; `length` and `sha256` are None while not known."""

    id: str
    received: int
    length: int | None
    sha256: str | None


class Uploads:
    """All uploads. Thread-safe. Whatever is somebody else's does not exist for a caller (NotFoundError)."""

    def __init__(self, database: Database, blobs: Blobs, max_bytes: int, clock: Clock | None = None) -> None:
        """`max_bytes`: no upload may be larger."""
        self._database, self._blobs, self.max_bytes = database, blobs, max_bytes
        self._clock = clock or database.now

    def begin(self, caller: Caller, length: int | None, resumable: bool = True) -> Upload:
        """Announce a file of `length` bytes, None if not known yet. Raises TooMuchError, QuotaError.

        `resumable`: the caller is told its id before it is complete, and can go on with it after being cut off.
        """
        if length is not None and length > self.max_bytes:
            raise TooMuchError(f"an upload may have at most {self.max_bytes} bytes")
        now = self._clock()
        row = UploadRow(id=new_id(), owner=caller.owner, received=0, length=length, sha256=None)
        row.resumable = resumable
        row.created = row.touched = now
        with self._database.writing() as session:
            _check_open(session, caller)
            _check_room(session, caller, 1 if length is None else length)
            session.add(row)
        return _upload_of(row)

    def append(self, caller: Caller, upload: str, offset: int, piece: bytes) -> Upload:
        """Add a piece at `offset`, which must be where the upload ends.

        Raises NotFoundError; ConflictError if it ends elsewhere or is complete; TooMuchError beyond its length, or for
        too many pieces; QuotaError; OSError if it cannot be stored. In all these cases nothing was added.
        """
        with self._database.reading() as session:
            row = own_upload(session, caller, upload)
            self._check_piece(row, offset, len(piece))
            if piece:
                _check_count(session, row, len(piece))
        if not piece:
            return self.get(caller, upload)
        blob = self._blobs.put(piece)
        try:
            with self._database.writing() as session:
                row = own_upload(session, caller, upload)
                self._check_piece(row, offset, len(piece))
                if row.length is None:
                    _check_room(session, caller, len(piece))
                session.add(PartRow(upload=upload, offset=offset, bytes=len(piece), blob=blob))
                row.received, row.touched = offset + len(piece), self._clock()
                return _upload_of(row)
        except UncertainError:  # if it counts, it needs the file; if not, the file is an orphan
            raise
        except BaseException:
            self._blobs.discard(blob)
            raise

    def finish(self, caller: Caller, upload: str) -> Upload:
        """Note that nothing more comes: the file gets its hash and can be used. May be called again.

        Raises NotFoundError; ConflictError if bytes are missing; InvalidError if it is empty.
        """
        with self._database.reading() as session:
            row = own_upload(session, caller, upload)
            if row.sha256 is not None:
                return _upload_of(row)
            if row.length is not None and row.received != row.length:
                raise ConflictError(f"{row.length - row.received} bytes are missing")
            if row.received == 0:
                raise InvalidError("the file is empty")
            received, parts = row.received, part_blobs(session, upload)
        found = hashlib.sha256()
        for blob in parts:
            for piece in self._blobs.read(blob):
                found.update(piece)
        with self._database.writing() as session:
            row = own_upload(session, caller, upload)
            if row.sha256 is not None:  # somebody else finished it meanwhile
                return _upload_of(row)
            if row.received != received:
                raise ConflictError("more bytes came in meanwhile")
            row.sha256, row.length, row.touched = found.hexdigest(), received, self._clock()
            entry = AuditEntry(AuditAction.UPLOAD, caller.owner, caller.address, upload=upload, input_sha256=row.sha256)
            record(session, entry, self._clock())
            return _upload_of(row)

    def announce(self, caller: Caller, upload: str, length: int) -> Upload:
        """Say how long an upload is that began without a length. Raises as `begin` does, and ConflictError."""
        if length > self.max_bytes:
            raise TooMuchError(f"an upload may have at most {self.max_bytes} bytes")
        with self._database.writing() as session:
            row = own_upload(session, caller, upload)
            if row.length not in (None, length) or length < row.received:
                raise ConflictError("its length was announced already, or is less than what came in")
            _check_room(session, caller, length - row.received)
            row.length = length
            return _upload_of(row)

    def get(self, caller: Caller, upload: str) -> Upload:
        """An upload as it is now. Raises NotFoundError."""
        with self._database.reading() as session:
            return _upload_of(own_upload(session, caller, upload))

    def delete(self, caller: Caller, upload: str) -> None:
        """Remove an upload. Raises NotFoundError, and ConflictError while a job needs it."""
        with self._database.writing() as session:
            row = own_upload(session, caller, upload)
            if needed(session, upload):
                raise ConflictError("a job needs this upload: cancel the job first")
            blobs = remove_upload(session, row)
            entry = AuditEntry(AuditAction.DELETE, caller.owner, caller.address, upload=upload)
            record(session, entry, self._clock())
        self._blobs.discard(*blobs)

    def abandon(self, before: float = math.inf) -> int:
        """Remove what was cut off and cannot be gone on with, if nothing was added since `before`; returns how many.

        Without `before`, nothing may be coming in at the moment.
        """
        blobs, count = list[str](), 0
        cut_off = UploadRow.resumable.is_(False) & UploadRow.sha256.is_(None) & (UploadRow.touched < before)
        with self._database.reading() as session:  # most looks find nothing, and need not lock others out
            if session.scalar(select(UploadRow.id).where(cut_off).limit(1)) is None:
                return 0
        with self._database.writing() as session:
            for row in session.scalars(select(UploadRow).where(cut_off)).all():
                entry = AuditEntry(AuditAction.DELETE, SYSTEM, upload=row.id, outcome="cut off")
                record(session, entry, self._clock())
                blobs += remove_upload(session, row)
                count += 1
        self._blobs.discard(*blobs)
        return count

    def _check_piece(self, row: UploadRow, offset: int, length: int) -> None:
        if row.sha256 is not None:
            raise ConflictError("the upload is complete")
        if row.received != offset:
            raise ConflictError(f"the upload ends at byte {row.received}, not at {offset}")
        if offset + length > (self.max_bytes if row.length is None else row.length):
            raise TooMuchError(f"more than the {self.max_bytes if row.length is None else row.length} bytes allowed")


def own_upload(session: Session, caller: Caller, upload: str) -> UploadRow:
    """The caller's row of an upload. Raises NotFoundError, after the same time whether it is another's or nobody's."""
    mine = select(UploadRow).where(UploadRow.id == upload, UploadRow.owner == caller.owner)
    row = session.scalar(mine) if is_id(upload) else None
    if row is None:
        raise NotFoundError(GONE)
    return row


def _upload_of(row: UploadRow) -> Upload:
    return Upload(row.id, row.received, row.length, row.sha256)


def part_blobs(session: Session, upload: str) -> list[str]:
    """The blobs that make up an upload, in order."""
    return list(session.scalars(select(PartRow.blob).where(PartRow.upload == upload).order_by(PartRow.offset)))


def needed(session: Session, upload: str) -> bool:
    """Whether a job that has not ended needs this upload."""
    query = select(JobRow.id).where(JobRow.upload == upload, JobRow.state.in_(ACTIVE)).limit(1)
    return session.scalar(query) is not None


def remove_upload(session: Session, row: UploadRow) -> list[str]:
    """Remove an upload's rows; returns the blobs that are to be deleted once the transaction counts."""
    blobs = part_blobs(session, row.id)
    session.execute(delete(PartRow).where(PartRow.upload == row.id))
    session.execute(update(JobRow).where(JobRow.upload == row.id).values(upload=None))
    session.delete(row)
    return blobs


def _check_open(session: Session, caller: Caller) -> None:
    """Raises QuotaError if the caller has begun too many uploads: each costs room, even if nothing comes."""
    begun = select(func.count()).where(UploadRow.owner == caller.owner, UploadRow.sha256.is_(None))
    if (session.scalar(begun) or 0) >= OPEN:
        raise QuotaError(f"{OPEN} uploads were begun and not finished: finish or delete some of them")


def _check_count(session: Session, row: UploadRow, length: int) -> None:
    """Raises TooMuchError if one more piece would be too many, or is small where there are many already.

    Who sends a file in one request does not choose its pieces, so there the size does not matter.
    """
    count = session.scalar(select(func.count()).where(PartRow.upload == row.id)) or 0
    if count >= MOST_PIECES:
        raise TooMuchError(f"an upload may have at most {MOST_PIECES} pieces: begin again with larger ones")
    if count >= FEW and length < SMALL and row.resumable and row.received + length != row.length:
        raise TooMuchError(f"the upload has {count} pieces already: go on with pieces of {SMALL} bytes or more")


def _check_room(session: Session, caller: Caller, more: int) -> None:
    """Raises QuotaError if the caller's uploads and results would take more than they may."""
    if caller.max_bytes is None:
        return
    sent = func.coalesce(UploadRow.length, UploadRow.received)
    used = session.scalar(select(func.sum(sent)).where(UploadRow.owner == caller.owner)) or 0
    used += session.scalar(select(func.sum(JobRow.result_bytes)).where(JobRow.owner == caller.owner)) or 0
    if used + more > caller.max_bytes:
        raise QuotaError(f"this token may keep {caller.max_bytes} bytes at a time, and {used} are in use")
