"""PostgreSQL that does for many processes what SQLite does for one: one writer at a time, bounded waits, one clock."""

from __future__ import annotations

import errno
import time
from collections.abc import Generator
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.waiting import Ready
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

RV = TypeVar("RV")

CONNECT: Final = 5  # s to wait for a connection
STATEMENT: Final = 20.0  # s that the server works at one statement
UNSENT: Final = 12.0  # s for the server's machine to confirm what is sent
SILENCE: Final = 25.0  # s to wait for an answer: longer than any statement, so the server or the network is gone
IDLE_WRITER: Final = 5.0  # s after which a writer that says nothing, as when its machine was stopped, loses the lock
IDLE: Final = 60.0  # s for a reader
LOCK: Final = 0x7665696C63617374  # the advisory lock of whoever writes
READ: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""Options of a connection that is to see one moment, as in SQLite."""
_TIME: Final = "extract(epoch FROM clock_timestamp())::float8"

_STATE: Final = ("55000", "25006", "25P03", "25P04", "57")  # a standby, read-only, ended while idle, shutting down
_DISK: Final = {"53100": errno.ENOSPC, "58030": errno.EIO}
_BUSY: Final = {"55P03": "the database is locked by another process", "57014": "the database takes too long"}


class PostgresAddressError(ValueError):
    """A text is no address of a PostgreSQL server; the message does not repeat it, since it may hold a password."""


class PatientConnection(psycopg.Connection[Any]):
    """Waits for a limited time, whatever becomes of the server and the network."""

    def wait(self, gen: Generator[Any, Any, RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's own, which would wait for ever for a server that is stopped."""
        return super().wait(self._limited(gen, time.monotonic() + SILENCE), interval, timeout)

    def _limited(self, steps: Generator[Any, Any, RV], end: float) -> Generator[Any, Any, RV]:
        ready = None
        while True:
            try:
                wanted = steps.send(ready)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]  # generators carry their result there
            ready = yield wanted
            if ready == Ready.NONE and time.monotonic() > end:
                self.close()
                raise psycopg.OperationalError("the server does not answer")


class Postgres:
    """A server, by its address as libpq has it. Raises PostgresAddressError; connects when it is first used."""

    def __init__(self, url: str, *, patience: float, kept: int, more: int) -> None:
        """`patience`: s to wait for the lock of writers, and for one of `kept` + `more` connections."""
        self.engine = create_engine(
            "postgresql+psycopg://",
            pool_pre_ping=True,
            pool_size=kept,
            max_overflow=more,
            pool_timeout=patience,
            hide_parameters=True,
        )
        chosen = _chosen(url, patience)

        @event.listens_for(self.engine, "do_connect")
        def connected(
            _dialect: Dialect, _entry: ConnectionPoolEntry, _given: tuple[object, ...], keywords: dict[str, Any]
        ) -> PatientConnection:
            return PatientConnection.connect(**{**keywords, **chosen})

    def begin_writing(self, connection: Connection, patience: float | None = None) -> tuple[float, str]:
        """Wait until nobody else writes; returns the server's time in s since 1970, and the transaction's number.

        The lock ends with the transaction. `patience`: s to wait for it, if more than usual; then nothing is hurried.
        """
        name, idle = "idle_in_transaction_session_timeout", round(IDLE_WRITER * 1000)
        if patience is not None:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(patience * 1000)}")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            idle = 0
        connection.exec_driver_sql(f"SELECT set_config('{name}', '{idle}', true), pg_advisory_xact_lock({LOCK})")
        # A statement of its own: the time, and all that is read from here on, are of after the wait.
        row = connection.exec_driver_sql(f"SELECT {_TIME}, pg_current_xact_id()::text").one()
        return float(row[0]), str(row[1])

    def time(self, connection: Connection) -> float:
        """The server's time, in s since 1970."""
        return float(connection.scalar(text(f"SELECT {_TIME}")) or 0.0)

    def counts(self, transaction: str, patience: float) -> bool | None:
        """Whether a transaction counts whose commit was not answered; None if the server cannot be asked in time."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                with self.engine.connect() as connection:
                    asked = text("SELECT pg_xact_status(CAST(CAST(:number AS text) AS xid8))")
                    status = connection.scalar(asked, {"number": transaction})
            except DBAPIError:
                status = None
            if status in ("committed", "aborted"):
                return bool(status == "committed")
            time.sleep(0.2)
        return None

    def trouble(self, error: DBAPIError) -> str | int | None:
        """Why something failed through no fault of its own: in words, or as a number of the system; None: a fault."""
        state = getattr(error.orig, "sqlstate", None) or ""
        if state in _DISK:
            return _DISK[state]
        if state in _BUSY:
            return _BUSY[state]
        if state.startswith(_STATE):
            return "the database cannot be written at the moment"
        if error.connection_invalidated or isinstance(error.orig, psycopg.OperationalError):
            return "the database cannot be reached"
        return None


def _chosen(url: str, patience: float) -> dict[str, Any]:
    """What to connect with: the address, and limits that it may change."""
    wrong = (
        "not an address as postgresql://USER:PASSWORD@HOST/DATABASE; what is special in a password is written like %40"
    )
    try:
        given = conninfo_to_dict(url.replace("postgresql+psycopg://", "postgresql://", 1))
    except psycopg.Error:
        raise PostgresAddressError(wrong) from None
    if not all(port.isdecimal() for port in str(given.get("port") or 0).split(",")):
        raise PostgresAddressError(wrong)  # connecting would say which port, and that may be half a password
    limits = {"lock_timeout": patience, "statement_timeout": STATEMENT, "idle_in_transaction_session_timeout": IDLE}
    ours = {
        "connect_timeout": CONNECT,
        "tcp_user_timeout": round(UNSENT * 1000),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "application_name": "veilcast",
        "target_session_attrs": "read-write",
    }
    options = " ".join(f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items())
    return {**ours, **given, "options": f"{options} {given.get('options') or ''}".strip()}
