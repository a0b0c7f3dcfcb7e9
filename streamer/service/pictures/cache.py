"""Masked pictures are kept for a while, each for its sender alone: the same question again costs no work."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import delete, func, select

from streamer.service.audit.entry import AuditEntry
from streamer.service.audit.log import record
from streamer.service.pictures.pool import MaskedAnswer
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database, UncertainError
from streamer.service.store.tables import CacheRow

_MOST: Final = 4 << 30  # bytes
_BATCH: Final = 200  # rows deleted at a time
_COUNTED: Final = 10.0  # s after which the bytes that are kept are looked up again: other gateways keep pictures, too
_AWAY: Final = 10.0  # s for which nothing is asked of a bucket that did not answer: nobody is to wait for it each time

_log = logging.getLogger("veilcast.pictures")


class PictureCache:
    """Kept for `keep` seconds; 0 keeps nothing. No more than `most` bytes: what does not fit is not kept. Thread-safe.

    Everything raises OSError and BusyError. Nothing is answered that is not in the audit log. While a bucket is away,
    nothing is found and nothing is kept.
    """

    def __init__(
        self, database: Database, blobs: Blobs, clock: Callable[[], float], keep: float, most: int = _MOST
    ) -> None:
        self._database, self._blobs, self._clock, self._keep, self._most = database, blobs, clock, keep, most
        self._lock = threading.Lock()  # for those below, in seconds of time.monotonic()
        self._total, self._counted = 0, -math.inf
        self._asks = -math.inf

    def find(self, key: str) -> MaskedAnswer | None:
        """What is kept under a key, if it is still good."""
        if not self._keep or self._away():
            return None
        with self._database.reading() as session:
            row = session.get(CacheRow, key)
        if row is None or row.expires <= self._clock():
            return None
        try:
            content = b"".join(self._blobs.read(row.blob))
        except FileNotFoundError:
            return None
        except OSError as error:
            self._note_away(error)
            return None
        if hashlib.sha256(content).hexdigest() != row.sha256:
            return None
        return MaskedAnswer(content, row.media_type, row.faces, row.sha256)

    def record(self, entry: AuditEntry) -> None:
        """Write down what was answered from the cache, or refused."""
        with self._database.writing() as session:
            record(session, entry, self._clock())

    def keep(self, key: str, owner: str, answer: MaskedAnswer, entry: AuditEntry) -> None:
        """Keep an answer and write it down, both or neither. One that was masked whole is not kept: a later one may
        be better.
        """
        if not self._keep or answer.whole or self._away() or not self._fits(len(answer.content)):
            self.record(entry)
            return
        try:
            blob, now = self._blobs.put(answer.content), self._clock()
        except OSError as error:
            self._note_away(error)
            self.record(entry)
            return
        unneeded: str | None = blob
        try:
            with self._database.writing() as session:
                before = session.get(CacheRow, key)  # the same picture came twice at once
                if before is not None:
                    session.delete(before)
                    session.flush()
                session.add(
                    CacheRow(
                        key=key,
                        owner=owner,
                        blob=blob,
                        media_type=answer.media_type,
                        faces=answer.faces,
                        bytes=len(answer.content),
                        sha256=answer.sha256,
                        created=now,
                        expires=now + self._keep,
                    )
                )
                record(session, entry, now)
            unneeded, freed = (None, 0) if before is None else (before.blob, before.bytes)
            self._count(len(answer.content) - freed)
        except UncertainError:  # if it counts, it needs the file; if not, the file is an orphan
            unneeded = None
            raise
        finally:
            self._blobs.discard(unneeded)

    def delete_expired(self) -> int:
        """Delete what has expired; returns how many pictures that was. Call it every minute or so."""
        count = 0
        while True:
            with self._database.reading() as session:
                query = select(CacheRow).where(CacheRow.expires <= self._clock()).limit(_BATCH)
                rows = session.scalars(query).all()
            if not rows:
                return count
            # Files first: a row without its file is harmless and found again, a file without its row is neither.
            self._blobs.delete(*(row.blob for row in rows))
            with self._database.writing() as session:
                session.execute(delete(CacheRow).where(CacheRow.blob.in_([row.blob for row in rows])))
            self._count(-sum(row.bytes for row in rows))
            count += len(rows)

    def _fits(self, size: int) -> bool:
        with self._lock:
            if time.monotonic() - self._counted > _COUNTED:
                with self._database.reading() as session:
                    self._total = int(session.scalar(select(func.sum(CacheRow.bytes))) or 0)
                self._counted = time.monotonic()
            return self._total + size <= self._most

    def _count(self, size: int) -> None:
        """Add to the bytes that are kept."""
        with self._lock:
            self._total += size

    def _away(self) -> bool:
        with self._lock:
            return time.monotonic() < self._asks

    def _note_away(self, error: OSError) -> None:
        """Go on without, if it is a bucket that fails; raises the error of a disk, which concerns everything else."""
        if not self._blobs.in_bucket:
            raise error
        _log.warning("masked pictures are not kept at the moment: %s", error.strerror)
        with self._lock:
            self._asks = time.monotonic() + _AWAY


def cache_key(owner: str, input_sha256: str, settings_sha256: str, engine: str) -> str:
    """Equal for equal questions of the same sender to the same engine."""
    return hashlib.sha256(json.dumps([owner, input_sha256, settings_sha256, engine]).encode()).hexdigest()
