"""Adds entries to the audit log: each holds the hash of the one before, so none can be changed or taken out unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from streamer.service.audit.entry import AuditEntry
from streamer.service.store.tables import AuditRow

FIRST: Final = "0" * 64
"""What the first entry has in place of the hash of the one before."""


def record(session: Session, entry: AuditEntry, now: float) -> None:
    """Add an entry in the transaction that does what the entry says: both count, or neither. `now` in s since 1970.

    The transaction must be one of `Database.writing`, whose lock keeps others from adding the same number.
    """
    last = session.scalar(select(AuditRow).order_by(AuditRow.number.desc()).limit(1))
    number, before = (1, FIRST) if last is None else (last.number + 1, last.sha256.hex())
    text = canonical_entry(entry, number, before, now)
    session.add(AuditRow(number=number, entry=text, sha256=hashlib.sha256(text.encode()).digest()))
    session.flush()


def canonical_entry(entry: AuditEntry, number: int, before: str, now: float) -> str:
    """The entry as canonical JSON (RFC 8785). What is not known is left out. `before`: hash of the entry before."""
    said: dict[str, object] = {"number": number, "previous": before, "time": round(now, 3)}
    for field in fields(entry):
        value = getattr(entry, field.name)
        if value is not None:
            said[field.name] = dict(value) if isinstance(value, Mapping) else str(value)
    return rfc8785.dumps(said).decode()  # type: ignore[arg-type]  # checked there: anything else raises
