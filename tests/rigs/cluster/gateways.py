"""Several gateways of one service in this process, on one PostgreSQL and one bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import httpx

from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from tests.rigs.cluster.postgres_server import PostgresServer
from tests.rigs.cluster.s3_server import S3Server
from tests.rigs.service.running import running_service

TOKEN = "an admin's long secret"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service keeps its things; no gateway needs to run."""

    url: str
    blobs_url: str
    database: Database
    blobs: Blobs

    @contextmanager
    def gateways(self, folder: Path, *workers: int, **service: object) -> Iterator[list[httpx.Client]]:
        """Clients of as many gateways as there are numbers of workers."""
        shared = {"database": self.url, "blobs": self.blobs_url, **service}
        with ExitStack() as stack:
            yield [
                stack.enter_context(running_service(folder / f"scratch{number}", TOKEN, workers=count, **shared))
                for number, count in enumerate(workers)
            ]


@contextmanager
def new_place(postgres: PostgresServer, s3: S3Server) -> Iterator[Place]:
    """An empty one, to which the environment leads inside the block."""
    with patch.dict(os.environ, s3.environment):
        url, place = postgres.new_database(), s3.new_place()
        database = Database(url)
        database.migrate()
        try:
            yield Place(url, place, database, Blobs.at(place))
        finally:
            database.close()
