"""Blobs that nothing refers to: left behind where a process died between storing one and noting it."""

from __future__ import annotations

import math
from typing import Final

from sqlalchemy import select

from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from streamer.service.store.tables import AskedPictureRow, CacheRow, JobRow, PartRow, UnitRow

_COLUMNS: Final = (
    PartRow.blob,
    JobRow.result,
    JobRow.report,
    JobRow.masks,
    UnitRow.blob,
    CacheRow.blob,
    AskedPictureRow.original,
    AskedPictureRow.masked,
)


def remove_orphans(database: Database, blobs: Blobs, before: float = math.inf) -> int:
    """Delete blobs without a reference, stored `before` a time in seconds since 1970; returns how many.

    Without `before`, nothing else may be storing blobs at the moment. Raises OSError.
    """
    found = set(blobs.names(before))  # first: what is stored from here on is not in it
    if found:
        with database.reading() as session:
            for column in _COLUMNS:
                found -= set(session.scalars(select(column).where(column.is_not(None))))
    blobs.delete(*found)
    return len(found)
