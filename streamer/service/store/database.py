"""The database: SQLite in a file, or any other that SQLAlchemy knows. One transaction a step, tables by Alembic."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

_PATIENCE: Final = 10.0  # s to wait for another writer, and for a connection
_KEPT: Final = 20  # connections that stay open
_MORE: Final = 40  # further ones: every thread that serves requests, and the workers, may need one at a time
_WRITES: Final = "veilcast_writes"
_DISK: Final = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,  # it cannot begin its journal
}


class BusyError(Exception):
    """For `_PATIENCE` another process kept the database locked, or all connections were in use. Nothing was changed."""


class StorageError(OSError):
    """The database's disk is full, or fails. Nothing was changed; try again once there is room."""


class Database:
    """Transactions on one database. Thread-safe; each `with` block has a connection of its own."""

    def __init__(self, url: str) -> None:
        """`url` as SQLAlchemy has it: `sqlite:////var/lib/veilcast/jobs.db`. Connects when it is first used."""
        self._engine = create_engine(
            url,
            pool_pre_ping=not url.startswith("sqlite"),
            pool_size=_KEPT,
            max_overflow=_MORE,
            pool_timeout=_PATIENCE,
        )
        if self._engine.dialect.name == "sqlite":
            _prepare_sqlite(self._engine)

    @classmethod
    def in_file(cls, path: Path) -> Database:
        """SQLite in this file, which is created if need be, for its owner alone to read. Raises OSError."""
        path.touch(0o600)
        return cls(f"sqlite:///{path}")

    def migrate(self) -> None:
        """Bring the tables to what this version needs. Raises whatever the database raises."""
        config = Config()
        config.set_main_option("script_location", str(resources.files("streamer.service.store") / "migrations"))
        with self._engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A consistent view. Changes made in it are lost. Raises BusyError, StorageError."""
        with _errors_for_callers(), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction: all of it counts once the block has ended well, otherwise nothing. Raises BusyError,
        StorageError.

        SQLite has one writer at a time, so the lock is taken at the beginning: a transaction that first reads and then
        writes would fail at once if another one wrote meanwhile. Keep it short.
        """
        engine = self._engine.execution_options(**{_WRITES: True})
        with _errors_for_callers(), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()


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


@contextmanager
def _errors_for_callers() -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise BusyError("too much is asked of the database at once") from error
    except OperationalError as error:
        code = getattr(error.orig, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BusyError("the database is locked by another process") from error
        if code is not None and (number := _DISK.get(code & 0xFF)) is not None:
            raise StorageError(number, os.strerror(number)) from error
        raise
