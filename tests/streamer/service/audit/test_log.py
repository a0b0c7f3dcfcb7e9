"""Entries of the audit log: chained, and only together with what they tell of."""

from __future__ import annotations

import hashlib
import json

import pytest
from sqlalchemy import select

from streamer.service.audit.entry import AuditAction, AuditEntry
from streamer.service.audit.log import FIRST, record
from streamer.service.store.database import Database
from streamer.service.store.tables import AuditRow


def rows(database: Database) -> list[AuditRow]:
    with database.reading() as session:
        return list(session.scalars(select(AuditRow).order_by(AuditRow.number)))


def test_each_entry_holds_the_hash_of_the_one_before(database: Database) -> None:
    for i in range(3):
        with database.writing() as session:
            record(session, AuditEntry(AuditAction.SUBMIT, "local", job=str(i), settings={"b": 1, "a": None}), 1000.5)
    before = FIRST
    for number, row in enumerate(rows(database), 1):
        said = json.loads(row.entry)
        assert said == {
            "action": "submit",
            "actor": "local",
            "job": str(number - 1),
            "number": number,
            "outcome": "ok",
            "previous": before,
            "settings": {"a": None, "b": 1},
            "time": 1000.5,
        }
        assert row.entry == json.dumps(said, sort_keys=True, separators=(",", ":")), "canonical"
        before = hashlib.sha256(row.entry.encode()).hexdigest()
        assert row.sha256.hex() == before and row.number == number


def test_what_did_not_happen_is_not_in_the_log(database: Database) -> None:
    with pytest.raises(RuntimeError), database.writing() as session:
        record(session, AuditEntry(AuditAction.DELETE, "local"), 0.0)
        raise RuntimeError
    assert rows(database) == []
