"""Pictures that other machines mask: handed over as a row and a blob, and gone once they are answered or given up."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from streamer.service.pictures.pool import MaskedAnswer, PictureRefusedError
from streamer.service.store.blobs import Blobs, new_id
from streamer.service.store.database import Database, UncertainError
from streamer.service.store.tables import AskedPictureRow

_log = logging.getLogger("veilcast.service.pictures")

_LONGEST: Final = 200  # characters of a refusal
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class AskedPicture:
    """A picture that a worker has taken. `settings`: of the engine, as JSON."""

    id: str
    lease: str
    original: str
    settings: str


class AskedPictures:
    """Both ends of it. Thread-safe. Everything may raise BusyError and OSError."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs

    def ask(self, content: bytes, settings: str, seconds: float) -> str:
        """Hand a picture over; returns its id. Whoever asks waits for at most so many seconds."""
        blob, name = self._blobs.put(content), new_id()
        try:
            with self._database.writing() as session:
                session.add(
                    AskedPictureRow(
                        id=name,
                        original=blob,
                        settings=settings,
                        until=self._database.now() + seconds,
                        ended=False,
                        faces=0,
                        whole=False,
                        unsupported=False,
                    )
                )
        except UncertainError:
            raise
        except BaseException:
            self._blobs.discard(blob)
            raise
        return name

    def answer(self, picture: str) -> MaskedAnswer | None:
        """The masked picture, None while there is none. Raises PictureRefusedError, FileNotFoundError if it is gone."""
        with self._database.reading() as session:
            row = session.get(AskedPictureRow, picture)
        if row is None:
            raise FileNotFoundError("the picture is gone")
        if not row.ended:
            return None
        if row.masked is None or row.media_type is None or row.sha256 is None:
            raise PictureRefusedError(row.refused or "cannot be masked", row.unsupported)
        content = b"".join(self._blobs.read(row.masked))
        return MaskedAnswer(content, row.media_type, row.faces, row.sha256, row.whole)

    def taken(self, picture: str) -> bool:
        """Whether a worker is at it, or was."""
        with self._database.reading() as session:
            return session.scalar(select(AskedPictureRow.lease).where(AskedPictureRow.id == picture)) is not None

    def forget(self, picture: str) -> None:
        """Delete it and all that was made of it; one that is gone already does no harm."""
        with self._database.writing() as session:
            row = session.get(AskedPictureRow, picture)
            if row is None:
                return
            session.delete(row)
        self._blobs.discard(row.original, row.masked)

    def take(self, picture: str) -> AskedPicture | None:
        """Take it, to mask it; None if somebody else has, or nobody waits for it any more."""
        with self._database.writing() as session:
            row = session.get(AskedPictureRow, picture)
            if row is None or row.lease is not None or row.until <= self._database.now():
                return None
            row.lease = new_id()
            return AskedPicture(row.id, row.lease, row.original, row.settings)

    def original(self, picture: AskedPicture) -> bytes:
        """What was sent."""
        return b"".join(self._blobs.read(picture.original))

    def masked(self, picture: AskedPicture, answer: MaskedAnswer) -> bool:
        """Answer with a masked picture. False: nobody waits any more, and nothing was kept."""
        blob, kept = self._blobs.put(answer.content), False
        try:
            with self._database.writing() as session:
                row = session.get(AskedPictureRow, picture.id)
                kept = row is not None and row.lease == picture.lease
                if kept and row is not None:
                    row.ended, row.masked, row.media_type, row.sha256 = True, blob, answer.media_type, answer.sha256
                    row.faces, row.whole = answer.faces, answer.whole
            return kept
        except UncertainError:
            kept = True
            raise
        except BaseException:
            kept = False
            raise
        finally:
            if not kept:
                self._blobs.discard(blob)

    def refused(self, picture: AskedPicture, error: PictureRefusedError) -> None:
        """Answer that it cannot be masked."""
        with self._database.writing() as session:
            row = session.get(AskedPictureRow, picture.id)
            if row is not None and row.lease == picture.lease:
                row.ended, row.refused, row.unsupported = True, str(error)[:_LONGEST], error.unsupported

    def put_back(self, picture: AskedPicture) -> None:
        """Let somebody else have it."""
        with self._database.writing() as session:
            row = session.get(AskedPictureRow, picture.id)
            if row is not None and row.lease == picture.lease and not row.ended:
                row.lease = None

    def sweep(self) -> int:
        """Delete those that nobody waits for any more: their gateway has died; returns how many."""
        with self._database.reading() as session:
            over = AskedPictureRow.until <= self._database.now()
            names = list(session.scalars(select(AskedPictureRow.id).where(over).limit(_BATCH)))
        for name in names:
            self.forget(name)
        return len(names)
