"""Audit logs to change behind the service's back."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import text

from streamer.service.audit.entry import AuditAction, AuditEntry
from streamer.service.audit.log import FIRST, canonical_entry, record
from streamer.service.store.database import Database


def log_of(path: Path, count: int) -> Database:
    """A new database in this folder, whose log has so many entries."""
    database = Database.in_file(path / "veilcast.db")
    database.migrate()
    add(database, count)
    return database


def add(database: Database, count: int, job: str = "j") -> None:
    for number in range(count):
        with database.writing() as session:
            record(session, AuditEntry(AuditAction.SUBMIT, "local", job=f"{job}{number}"), 100.0 + number)


def rewrite(database: Database, count: int) -> None:
    """Put another log in its place, chained as a true one."""
    with database.writing() as session:
        session.execute(text("DELETE FROM audit"))
        before = FIRST
        for number in range(1, count + 1):
            entry = canonical_entry(AuditEntry(AuditAction.DELETE, "local"), number, before, 7.0)
            before = hashlib.sha256(entry.encode()).hexdigest()
            values = {"number": number, "entry": entry, "sha256": bytes.fromhex(before)}
            session.execute(text("INSERT INTO audit VALUES (:number, :entry, :sha256)"), values)


def change(database: Database, statement: str, **values: object) -> None:
    with database.writing() as session:
        session.execute(text(statement), values)
