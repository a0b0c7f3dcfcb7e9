"""Uploads that are cut off in the middle, by their sender or by the service's own troubles."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from streamer.service.access.caller import Caller
from streamer.service.api.uploads import upload_routes
from streamer.service.http.problems import errors_are_problems
from streamer.service.jobs.uploads import Upload, Uploads
from streamer.service.store.database import BusyError
from tests.rigs.service.ledger import BEN, Ledger
from tests.rigs.service.raw_http import soon
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
    with uvicorn_serving(app) as url, httpx.Client(base_url=url, timeout=30, limits=httpx.Limits()) as made:
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


def test_an_upload_is_hashed_once_however_many_ask_and_others_find_a_thread(
    ledger: Ledger, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on, real = list[str](), threading.Event(), Uploads.finish

    def slow(uploads: Uploads, caller: Caller, upload: str) -> Upload:
        begun.append(upload)
        assert goes_on.wait(30)
        return real(uploads, caller, upload)

    monkeypatch.setattr(Uploads, "finish", slow)
    made = [ledger.uploads.begin(BEN, 4).id for _ in range(6)]
    for upload in made:
        ledger.uploads.append(BEN, upload, 0, b"film")
    asked = [made[0]] * 50 + made
    with ThreadPoolExecutor(len(asked)) as pool:
        try:
            answers = [pool.submit(client.head, f"/v1/uploads/{upload}", headers=TUS) for upload in asked]
            assert soon(lambda: len(begun) == 4), begun
            assert client.post("/v1/uploads", headers={**TUS, "Upload-Length": "4"}).status_code == 201
            assert not any(answer.done() for answer in answers)
        finally:
            goes_on.set()
        assert {answer.result(30).status_code for answer in answers} == {200}
    assert sorted(begun) == sorted(made), "each of them once"


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
