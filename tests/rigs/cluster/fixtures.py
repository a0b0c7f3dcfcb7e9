"""Fixtures for all tests: one real PostgreSQL and one real S3 server a run, started by whoever needs them first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from tests.rigs.cluster.far_work import Office
from tests.rigs.cluster.gateways import Place, new_place
from tests.rigs.cluster.postgres_server import PostgresServer, missing_postgres
from tests.rigs.cluster.redis_server import RedisServer, missing_redis
from tests.rigs.cluster.s3_server import S3Server


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


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A server for one test, to be stopped, paused, killed and flushed."""
    if (reason := missing_redis()) is not None:
        pytest.skip(reason)
    with RedisServer() as server:
        yield server


@pytest.fixture
def office(postgres: PostgresServer, redis_server: RedisServer, tmp_path: Path) -> Iterator[Office]:
    """Takes jobs in for workers elsewhere."""
    made = Office(postgres.new_database(), tmp_path, redis_server.url)
    yield made
    made.close()


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


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A server for the whole run: whoever stops or kills it uses `own_s3`."""
    with S3Server() as server:
        yield server


@pytest.fixture
def own_s3() -> Iterator[S3Server]:
    """A server for one test, to be stopped, paused and killed."""
    with S3Server() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """An empty store of blobs: once in a folder, once in a bucket."""
    if request.param == "folder":
        return Blobs.at(str(tmp_path / "blobs"))
    server: S3Server = request.getfixturevalue("s3")
    return Blobs.at(server.new_place(), server.environment)


@pytest.fixture
def place(postgres: PostgresServer, s3: S3Server) -> Iterator[Place]:
    """An empty place for a service of several gateways."""
    with new_place(postgres, s3) as made:
        yield made
