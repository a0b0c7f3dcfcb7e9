"""The database: SQLite in a file, or PostgreSQL for several machines. One transaction a step, tables by Alembic."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from streamer.service.store.schema import bring_up_to_date

if TYPE_CHECKING:
    from streamer.service.store.postgres import Postgres

_PATIENCE: Final = 10.0  # s to wait for another writer, and for a connection
_MIGRATING: Final = 600.0  # s to wait for another process that changes the tables
_KEPT: Final = 20  # connections that stay open
_MORE: Final = 40  # further ones: every thread that serves requests, and the workers, may need one at a time
_SHARED: Final = (5, 15)  # the same for PostgreSQL, whose connections all processes share, and each is a process there
_WRITES: Final = "veilcast_writes"
_WAITS: Final = "veilcast_waits"
_NUMBER: Final = "veilcast_transaction"
_TIME_LASTS: Final = 30.0  # s after which the database is asked for its time again
_DISK: Final = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,  # it cannot begin its journal
}


class BusyError(Exception):
    """The database is locked, away, or in use by too many. Nothing was changed; it may be tried again."""


class UncertainError(BusyError):
    """The database went away while a transaction was to count. Whether it does is not known: see when it is back."""


class StorageError(OSError):
    """The database's disk is full, or fails. Nothing was changed; try again once there is room."""


class Database:
    """Transactions on one database. Thread-safe; each `with` block has a connection of its own."""

    def __init__(self, url: str) -> None:
        """`url`: `sqlite:////var/lib/veilcast/jobs.db`, or `postgresql://...` as libpq has it.

        Connects when it is first used. Raises ValueError for what is neither, ModuleNotFoundError without psycopg.
        """
        self._postgres = _server(url)
        self._lock = threading.Lock()  # for the two below
        self._ahead: float | None = None  # of the database's clock, compared with time.monotonic()
        self._asked = 0.0
        if self._postgres is None:
            self._engine = create_engine(url, pool_size=_KEPT, max_overflow=_MORE, pool_timeout=_PATIENCE)
            _prepare_sqlite(self._engine)
        else:
            self._engine = self._postgres.engine
            event.listen(self._engine, "begin", self._begun)

    @classmethod
    def in_file(cls, path: Path) -> Database:
        """SQLite in this file, which is created if need be, for its owner alone to read. Raises OSError."""
        path.touch(0o600)
        return cls(f"sqlite:///{path}")

    @property
    def shared(self) -> bool:
        """Whether processes on other machines may use it at the same time."""
        return self._postgres is not None

    def now(self) -> float:
        """Seconds since 1970 by the one clock that all who use this database go by. May raise BusyError the first time.

        For PostgreSQL it is the server's: machines' own clocks may be a minute apart.
        """
        if self._postgres is None:
            return time.time()
        with self._lock:
            ahead, asked = self._ahead, self._asked
        if ahead is None or time.monotonic() - asked > _TIME_LASTS:
            try:
                with self.reading() as session:
                    ahead = self._keep_time(self._postgres.time(session.connection()))
            except (BusyError, StorageError):
                if ahead is None:
                    raise
        return time.monotonic() + ahead

    def migrate(self) -> None:
        """Bring the tables to what this version needs; others who do the same wait. Raises whatever the database
        raises, and alembic's CommandError if a newer version has made the tables what this one cannot use.
        """
        waits = {_WRITES: True, _WAITS: _MIGRATING}
        with self._engine.connect().execution_options(**waits) as connection, connection.begin():
            bring_up_to_date(connection, several_versions=self.shared)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent view. Changes made in it are lost, or refused. Raises BusyError, StorageError."""
        engine = self._engine
        if self._postgres is not None:
            engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with self._errors_for_callers(), Session(engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction: all of it counts once the block has ended well, otherwise nothing. Raises BusyError,
        UncertainError, StorageError.

        There is one writer at a time, so the lock is taken at the beginning: a transaction that first reads and then
        writes would fail at once, or write what is no longer so, if another one wrote meanwhile. Keep it short.
        """
        engine = self._engine.execution_options(**{_WRITES: True})
        with self._errors_for_callers(), Session(engine, expire_on_commit=False) as session:
            session.begin()
            yield session
            session.flush()
            number = session.connection().info.get(_NUMBER)
            try:
                session.commit()
            except DBAPIError as error:
                self._settle(error, number)

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()

    def _settle(self, error: DBAPIError, number: str | None) -> None:
        """Find out whether a transaction counts whose commit failed; raises unless it does."""
        if self._postgres is None or number is None:
            raise error
        found = self._postgres.counts(number, _PATIENCE)
        if found is None:
            raise UncertainError("the database went away before it had answered") from error
        if not found:
            raise error

    def _begun(self, connection: Connection) -> None:
        """PostgreSQL: take the lock of writers."""
        options = connection.get_execution_options()
        if self._postgres is not None and options.get(_WRITES, False):
            now, connection.info[_NUMBER] = self._postgres.begin_writing(connection, options.get(_WAITS))
            self._keep_time(now)

    def _keep_time(self, now: float) -> float:
        with self._lock:
            self._asked = time.monotonic()
            self._ahead = now - self._asked
            return self._ahead

    @contextmanager
    def _errors_for_callers(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            raise BusyError("too much is asked of the database at once") from error
        except DBAPIError as error:
            found = _sqlite_trouble(error) if self._postgres is None else self._postgres.trouble(error)
            if isinstance(found, int):
                raise StorageError(found, os.strerror(found)) from error
            if found is not None:
                raise BusyError(found) from error
            raise


def _server(url: str) -> Postgres | None:
    """None for SQLite. Only whoever uses PostgreSQL needs to have its driver installed."""
    if url.startswith("sqlite://"):
        return None
    if not url.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        raise ValueError("not a database that can be used: write postgresql://USER:PASSWORD@HOST/DATABASE")
    from streamer.service.store.postgres import Postgres

    kept, more = _SHARED
    return Postgres(url, patience=_PATIENCE, kept=kept, more=more)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions on its own, and too late
        connection.execute(f"PRAGMA busy_timeout = {round(_PATIENCE * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # an accepted job outlives a power cut
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _sqlite_trouble(error: DBAPIError) -> str | int | None:
    """Why something failed through no fault of its own: in words, or as a number of the system; None: a fault."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if not isinstance(code, int):
        return None
    if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "the database is locked by another process"
    return _DISK.get(code & 0xFF)
