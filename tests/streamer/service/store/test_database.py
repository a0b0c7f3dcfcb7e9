"""Transactions and tables of the service's database."""

from __future__ import annotations

import errno
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from streamer.service.store import database as room
from streamer.service.store.database import BusyError, Database, StorageError
from streamer.service.store.tables import AuditRow, Base


@pytest.fixture
def in_file(tmp_path: Path) -> Database:
    made = Database.in_file(tmp_path / "jobs.db")
    made.migrate()
    return made


def row(number: int) -> AuditRow:
    return AuditRow(number=number, entry="{}", sha256=b"")


def numbers(database: Database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(AuditRow.number)))


def test_migrations_lead_to_the_tables_that_the_program_uses(database: Database) -> None:
    with database.reading() as session:
        assert compare_metadata(MigrationContext.configure(session.connection()), Base.metadata) == []
    database.migrate()


def test_only_its_owner_may_read_the_file(in_file: Database, tmp_path: Path) -> None:
    with in_file.writing() as session:
        session.add(row(1))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_transaction_counts_as_a_whole_or_not_at_all(database: Database) -> None:
    with database.writing() as session:
        session.add(row(1))
    with pytest.raises(RuntimeError), database.writing() as session:
        session.add(row(2))
        session.flush()
        raise RuntimeError
    assert numbers(database) == [1]


def test_a_full_disk_is_an_error_of_the_system_and_nothing_counts(in_file: Database) -> None:
    with pytest.raises(StorageError, match="No space left") as caught, in_file.writing() as session:
        session.execute(text("PRAGMA max_page_count = 1"))  # SQLite takes it for a full disk
        session.add_all(AuditRow(number=number, entry="x" * 5000, sha256=b"") for number in range(1, 20))
    assert caught.value.errno == errno.ENOSPC and numbers(in_file) == []


def test_reading_and_then_writing_waits_for_another_writer(database: Database) -> None:
    def count_up() -> None:
        for _ in range(20):
            with database.writing() as session:
                last = max(session.scalars(select(AuditRow.number)), default=0)
                session.add(row(last + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert numbers(database) == list(range(1, 81))


def test_more_transactions_than_connections_are_put_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_KEPT", 1), ("_MORE", 0), ("_PATIENCE", 0.05)):
        monkeypatch.setattr(room, name, value)
    database = Database.in_file(tmp_path / "jobs.db")
    with database.reading() as session:
        assert session.scalar(text("SELECT 1")) == 1
        for block in (database.reading, database.writing):
            with pytest.raises(BusyError, match="at once"), block() as other:
                other.execute(text("SELECT 1"))
    with database.reading() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_a_locked_database_is_busy_and_nothing_else(
    in_file: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_PATIENCE", 0.1)
    impatient = Database.in_file(tmp_path / "jobs.db")
    other = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError, match="locked"), impatient.writing() as session:
        session.add(row(1))
    assert numbers(impatient) == [], "readers do not wait for writers"
    other.execute("ROLLBACK")
    with impatient.writing() as session:
        session.add(row(1))
    assert numbers(in_file) == [1]
