"""A ledger for each test: in a folder, and on servers that several gateways would share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from tests.rigs.cluster.postgres_server import PostgresServer
from tests.rigs.cluster.s3_server import S3Server
from tests.rigs.service.ledger import Ledger


@pytest.fixture(params=["folder", "servers"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "folder":
        made = Ledger(tmp_path)
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        s3: S3Server = request.getfixturevalue("s3")
        made = Ledger(tmp_path, Database(postgres.new_database()), Blobs.at(s3.new_place(), s3.environment))
    yield made
    made.database.close()
