"""Fixtures for all tests: one real PostgreSQL and one real S3 server a run, started by whoever needs them first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.service.store.database import Database
from tests.rigs.cluster.postgres_server import PostgresServer, missing_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the whole run: whoever stops or kills it uses `own_postgres`."""
    if (reason := missing_postgres()) is not None:
        pytest.skip(reason)
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server for one test, to be stopped, paused and killed."""
    if (reason := missing_postgres()) is not None:
        pytest.skip(reason)
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database with all tables: once in a file, once on a server."""
    if request.param == "sqlite":
        made = Database.in_file(tmp_path / "jobs.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        made = Database(server.new_database())
    made.migrate()
    yield made
    made.close()
