"""Reads the audit log page by page, newest entries first."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from streamer.service.store.database import Database
from streamer.service.store.tables import AuditRow


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """An entry as it is kept: canonical JSON, and its SHA-256 in hexadecimal digits."""

    number: int
    text: str
    sha256: str


def newest_entries(database: Database, limit: int, before: int | None = None) -> list[KeptEntry]:
    """At most `limit` entries with numbers below `before`, the newest first. Raises BusyError."""
    query = select(AuditRow).order_by(AuditRow.number.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditRow.number < before)
    with database.reading() as session:
        return [KeptEntry(row.number, row.entry, row.sha256.hex()) for row in session.scalars(query)]
