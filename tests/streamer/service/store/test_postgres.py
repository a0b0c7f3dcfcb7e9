"""What PostgreSQL adds: it can be away, stopped, or written from other machines whose clocks are wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from unittest.mock import patch

import psycopg
import pytest
from alembic.util import CommandError
from sqlalchemy import select, text
from sqlalchemy.exc import InternalError

from streamer.service.store import database as room
from streamer.service.store import postgres as driver
from streamer.service.store.database import BusyError, Database, UncertainError
from streamer.service.store.tables import AuditRow
from tests.rigs.cluster.postgres_server import PASSWORD, PostgresServer
from tests.rigs.cluster.server_process import free_port


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def shared(url: str) -> Iterator[Database]:
    made = Database(url)
    made.migrate()
    yield made
    made.close()


def row(number: int) -> AuditRow:
    return AuditRow(number=number, entry="{}", sha256=b"")


def numbers(database: Database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(AuditRow.number).order_by(AuditRow.number)))


def test_writers_of_several_processes_take_turns_and_none_writes_on_what_is_old(shared: Database, url: str) -> None:
    other = Database(url)

    def count_up(database: Database) -> None:
        for _ in range(20):
            with database.writing() as session:
                last = max(session.scalars(select(AuditRow.number)), default=0)
                session.add(row(last + 1))

    threads = [threading.Thread(target=count_up, args=(each,)) for each in (shared, other) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    other.close()
    assert numbers(shared) == list(range(1, 81))


def test_whoever_writes_for_too_long_lets_others_be_busy_and_readers_read(url: str) -> None:
    with patch.object(room, "_PATIENCE", 0.2):
        patient = Database(url)
    patient.migrate()
    with patient.writing() as session:
        session.add(row(1))
        session.flush()
        with pytest.raises(BusyError, match="locked"), patient.writing() as second:
            second.add(row(2))
        assert numbers(patient) == []
    assert numbers(patient) == [1]
    patient.close()


def test_a_writer_whose_machine_stops_loses_the_lock_and_what_it_wrote(url: str) -> None:
    """A node that is stopped with the lock in its hand must not stop the cluster."""
    with patch.object(driver, "IDLE_WRITER", 0.3):
        stopped, other = Database(url), Database(url)
        stopped.migrate()
        with pytest.raises(BusyError), stopped.writing() as session:
            session.add(row(1))
            session.flush()
            with other.writing() as second:  # waits until the server has ended the first one
                second.add(row(2))
    assert numbers(other) == [2]
    with stopped.writing() as session:
        session.add(row(3))
    assert numbers(other) == [2, 3], "the next one has a new connection"
    stopped.close()
    other.close()


def test_reading_sees_one_moment_and_changes_nothing(shared: Database) -> None:
    with shared.reading() as session:
        assert list(session.scalars(select(AuditRow.number))) == []
        with shared.writing() as writer:
            writer.add(row(1))
        assert list(session.scalars(select(AuditRow.number))) == []
        with pytest.raises(InternalError, match="read-only"):
            session.execute(text("DELETE FROM audit"))
    assert numbers(shared) == [1]


def test_a_server_that_was_restarted_or_killed_is_found_again(own_postgres: PostgresServer) -> None:
    database = Database(own_postgres.new_database())
    database.migrate()
    for number, end in enumerate((own_postgres.stop, own_postgres.kill), 1):
        with database.writing() as session:
            session.add(row(number))
        with (
            patch.object(room, "_PATIENCE", 0.3),
            pytest.raises(UncertainError),
            database.writing() as session,
        ):
            session.add(row(100))
            session.flush()
            end()
        for block in (database.reading, database.writing):
            with pytest.raises(BusyError, match="cannot be reached"), block() as session:
                session.execute(text("SELECT 1"))
        own_postgres.start()
        assert numbers(database) == list(range(1, number + 1))
    database.close()


def test_a_server_that_is_stopped_hangs_nobody(own_postgres: PostgresServer) -> None:
    """Its machine's kernel still answers, so only a clock of one's own helps."""
    with patch.object(driver, "SILENCE", 0.5), patch.object(driver, "CONNECT", 2):
        database = Database(own_postgres.new_database())
        database.migrate()
        with own_postgres.paused():
            begun = time.monotonic()
            with pytest.raises(BusyError), database.writing() as session:
                session.add(row(1))
            assert time.monotonic() - begun < 10
        assert numbers(database) == []
        database.close()


def test_a_commit_that_was_not_answered_counts_if_it_counts(shared: Database, url: str) -> None:
    """Whoever is told that nothing was changed does it again."""
    commit = driver.PatientConnection.commit

    def lost(connection: driver.PatientConnection) -> None:
        commit(connection)
        connection.close()
        raise psycopg.OperationalError("the server closed the connection unexpectedly")

    with patch.object(driver.PatientConnection, "commit", lost), shared.writing() as session:
        session.add(row(1))
    assert numbers(shared) == [1]

    def broken(connection: driver.PatientConnection) -> None:
        connection.close()
        raise psycopg.OperationalError("the server closed the connection unexpectedly")

    with (
        patch.object(driver.PatientConnection, "commit", broken),
        pytest.raises(BusyError) as caught,
        shared.writing() as session,
    ):
        session.add(row(2))
    assert not isinstance(caught.value, UncertainError) and numbers(shared) == [1]


def test_a_commit_that_nobody_can_be_asked_about_is_uncertain(own_postgres: PostgresServer) -> None:
    with patch.object(room, "_PATIENCE", 0.3):
        database = Database(own_postgres.new_database())
        database.migrate()
        commit = driver.PatientConnection.commit

        def lost(connection: driver.PatientConnection) -> None:
            commit(connection)
            own_postgres.kill()
            connection.close()
            raise psycopg.OperationalError("the server closed the connection unexpectedly")

        with (
            patch.object(driver.PatientConnection, "commit", lost),
            pytest.raises(UncertainError),
            database.writing() as session,
        ):
            session.add(row(1))
        own_postgres.start()
        assert numbers(database) == [1]
        database.close()


def test_all_nodes_go_by_the_server_s_clock(shared: Database) -> None:
    true = time.time()
    with patch("time.time", lambda: true + 60):
        assert abs(shared.now() - true) < 30
    with shared.reading() as session:
        asked = session.scalar(text("SELECT extract(epoch FROM clock_timestamp())::float8"))
    assert asked is not None and abs(shared.now() - asked) < 5


def test_two_nodes_that_start_at_once_make_the_tables_once(url: str) -> None:
    found: list[BaseException] = []

    def start() -> None:
        database = Database(url)
        try:
            database.migrate()
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            found.append(error)
        database.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == []
    assert numbers(Database(url)) == []


@pytest.mark.parametrize(("oldest", "goes_on"), [(b"0003", True), (b"9998", False)])
def test_an_older_node_goes_on_after_changes_that_only_add(shared: Database, oldest: bytes, goes_on: bool) -> None:
    with shared.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        session.execute(text("UPDATE facts SET value = :oldest WHERE name = 'oldest_schema'"), {"oldest": oldest})
    if goes_on:
        shared.migrate()
    else:
        with pytest.raises(CommandError, match="9999"):
            shared.migrate()


def test_no_error_tells_the_password() -> None:
    nobody = Database(f"postgresql://veilcast:{PASSWORD}@127.0.0.1:{free_port()}/none")
    with pytest.raises(BusyError) as caught, nobody.reading() as session:
        session.execute(text("SELECT 1"))
    assert PASSWORD not in "".join(repr(each) for each in (caught.value, caught.value.__cause__))
    for wrong in (f"postgresql://veilcast:{PASSWORD}@host:port:1/x", f"mysql://root:{PASSWORD}@host/x"):
        with pytest.raises(ValueError) as refused:
            Database(wrong)
        assert PASSWORD not in str(refused.value) and refused.value.__cause__ is None
