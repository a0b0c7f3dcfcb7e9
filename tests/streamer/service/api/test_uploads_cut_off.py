"""Uploads that are cut off in the middle, by their sender or by the service's own troubles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from streamer.service.api.uploads import upload_routes
from streamer.service.http.problems import errors_are_problems
from streamer.service.jobs.uploads import Uploads
from streamer.service.store.database import BusyError
from tests.rigs.service.ledger import BEN, Ledger
from tests.rigs.uvicorn_server import uvicorn_serving

TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


@pytest.fixture
def client(ledger: Ledger) -> Iterator[httpx.Client]:
    async def let_in(request: Request) -> None:
        request.state.caller = BEN

    app = FastAPI(dependencies=[Depends(let_in)])
    errors_are_problems(app)
    app.include_router(upload_routes(ledger.uploads))
    with uvicorn_serving(app) as url, httpx.Client(base_url=url, timeout=30) as made:
        yield made


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_upload_that_has_all_its_bytes_can_be_used_however_its_last_request_ended(
    ledger: Ledger, client: httpx.Client, method: str
) -> None:
    upload = ledger.uploads.begin(BEN, 4)
    ledger.uploads.append(BEN, upload.id, 0, b"film")  # and then the service was killed
    answer = client.request(method, f"/v1/uploads/{upload.id}", headers=TUS)
    assert answer.status_code == 200, "there is nothing left for a client to send"
    assert ledger.uploads.get(BEN, upload.id).sha256 is not None


def test_a_plain_upload_that_fails_leaves_nothing_even_if_it_cannot_be_removed_at_once(
    ledger: Ledger, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> None:
        raise BusyError("the database is locked by another process")

    with monkeypatch.context() as locking:
        locking.setattr(Uploads, "finish", locked)
        assert client.post("/v1/uploads", content=b"film").status_code == 503 and ledger.blob_count() == 0
        locking.setattr(Uploads, "delete", locked)
        assert client.post("/v1/uploads", content=b"film").status_code == 503 and ledger.blob_count() == 1
    assert ledger.uploads.abandon() == 1 and ledger.blob_count() == 0
