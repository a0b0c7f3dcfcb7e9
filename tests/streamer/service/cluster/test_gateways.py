"""Two gateways are one service: what begins at one goes on at the other, and nothing happens twice or is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import httpx
import pytest
from sqlalchemy import select

from streamer.service.audit.verification import verify_log
from streamer.service.store.tables import PartRow
from tests.rigs.cluster.gateways import TOKEN, Place, new_place
from tests.rigs.cluster.postgres_server import PASSWORD, PostgresServer
from tests.rigs.cluster.s3_server import SECRET, S3Server
from tests.rigs.service.running import ended, film, photo

pytestmark = pytest.mark.slow

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
T = TypeVar("T")


class Two:
    """Gateways `a`, which also works, and `b`, which does not; and where they keep their things."""

    def __init__(self, clients: Sequence[httpx.Client], place: Place) -> None:
        self.a, self.b = clients
        self.place = place

    def at_once(self, step: Callable[[httpx.Client], T], times: int = 4) -> list[T]:
        """Ask both at the same moment, each so many times."""
        barrier = Barrier(2 * times)

        def ask(client: httpx.Client) -> T:
            barrier.wait(30)
            return step(client)

        with ThreadPoolExecutor(2 * times) as pool:
            return list(pool.map(ask, [self.a, self.b] * times, timeout=60))


@pytest.fixture(scope="module")
def two(postgres: PostgresServer, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("gateways")
    with new_place(postgres, s3) as place, place.gateways(folder, 1, 0) as clients:
        yield Two(clients, place)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return film(tmp_path_factory.mktemp("film"))


def test_an_upload_begins_at_one_gateway_goes_on_at_the_other_and_both_have_the_result(
    two: Two, content: bytes
) -> None:
    where = two.a.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(content))}).headers["location"]
    half = len(content) // 2
    assert two.a.patch(where, content=content[:half], headers={**PIECE, "Upload-Offset": "0"}).status_code == 204
    assert two.b.head(where, headers=TUS).headers["upload-offset"] == str(half)
    rest = {**PIECE, "Upload-Offset": str(half)}
    assert two.b.patch(where, content=content[half:], headers=rest).status_code == 204
    job = two.b.post("/v1/jobs", json={"upload": where.rpartition("/")[2]}).json()["id"]
    with two.b.stream("GET", f"/v1/jobs/{job}/events") as stream:  # the other one works on it
        *_, last = (json.loads(line[6:])["state"] for line in stream.iter_lines() if line.startswith("data: {"))
    assert last == "done"
    results = [client.get(f"/v1/jobs/{job}/result") for client in (two.a, two.b)]
    told = ended(two.b, job)["result"]
    assert isinstance(told, dict) and results[0].content == results[1].content != content
    assert hashlib.sha256(results[0].content).hexdigest() == told["sha256"]
    part = two.a.get(f"/v1/jobs/{job}/result", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == results[1].content[10:20]
    assert two.a.delete(f"/v1/jobs/{job}").status_code == 204 and two.b.get(f"/v1/jobs/{job}").status_code == 404
    assert verify_log(two.place.database).findings == ()


def test_of_pieces_that_come_to_both_at_once_one_counts_and_nothing_else_is_kept(two: Two) -> None:
    kept = set(two.place.blobs.names())
    where = two.a.post("/v1/uploads", headers={**TUS, "Upload-Length": "300000"}).headers["location"]
    pieces = iter([bytes([number]) * 100_000 for number in range(8)])

    def send(client: httpx.Client) -> tuple[int, bytes]:
        piece = next(pieces)
        return client.patch(where, content=piece, headers={**PIECE, "Upload-Offset": "0"}).status_code, piece

    sent = two.at_once(send)
    assert sorted(status for status, _ in sent) == [204, *[409] * 7]
    [won] = [piece for status, piece in sent if status == 204]
    assert two.b.head(where, headers=TUS).headers["upload-offset"] == "100000"
    with two.place.database.reading() as session:
        [blob] = session.scalars(select(PartRow.blob).where(PartRow.upload == where.rpartition("/")[2]))
    assert b"".join(two.place.blobs.read(blob)) == won
    assert set(two.place.blobs.names()) - kept == {blob}, "those that lost leave nothing"
    assert two.b.delete(where, headers=TUS).status_code == 204


def test_the_last_piece_and_the_hash_may_be_asked_of_both_at_once(two: Two) -> None:
    body = b"x" * 200_000
    where = two.a.post("/v1/uploads", headers={**TUS, "Upload-Length": "200000"}).headers["location"]
    sent = two.at_once(lambda client: client.patch(where, content=body, headers={**PIECE, "Upload-Offset": "0"}))
    assert sorted(answer.status_code for answer in sent) == [204, *[409] * 7]
    found = two.at_once(lambda client: client.get(where).json()["sha256"])
    assert set(found) == {hashlib.sha256(body).hexdigest()}


def test_one_idempotency_key_at_both_gateways_is_one_job(two: Two) -> None:
    upload = two.a.post("/v1/uploads", content=b"no film" * 100).json()["id"]
    answers = two.at_once(
        lambda client: client.post("/v1/jobs", json={"upload": upload}, headers={"Idempotency-Key": "once"})
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_token_that_one_gateway_ends_lets_nobody_in_at_the_other(two: Two) -> None:
    made = two.a.post("/v1/tokens", json={"label": "few", "roles": ["submit"]}).json()
    own = {"Authorization": f"Bearer {made['secret']}"}
    assert two.b.get("/v1/jobs", headers=own).status_code == 200
    assert two.a.delete(f"/v1/tokens/{made['id']}").status_code == 204
    assert two.b.get("/v1/jobs", headers=own).status_code == 401


def test_a_browser_s_session_holds_at_every_gateway_and_ends_at_every_one(two: Two) -> None:
    login = httpx.post(f"{two.a.base_url}/v1/session", json={"token": TOKEN})
    cookie = {"Cookie": f"veilcast_session={login.cookies['veilcast_session']}"}
    for client in (two.a, two.b):
        assert httpx.get(f"{client.base_url}/v1/session", headers=cookie).status_code == 200
    assert httpx.delete(f"{two.b.base_url}/v1/session", headers=cookie).status_code == 204
    assert httpx.get(f"{two.a.base_url}/v1/session", headers=cookie).status_code == 401


def test_a_picture_that_one_masked_is_answered_by_the_other_without_work(two: Two) -> None:
    first, again = (client.post("/v1/pictures", content=photo(0.4)) for client in (two.a, two.b))
    assert [answer.headers["x-veilcast-cache"] for answer in (first, again)] == ["miss", "hit"]
    assert first.content == again.content


@pytest.mark.parametrize("path", ["/v1/jobs/%00", "/v1/uploads/a%00b", "/v1/jobs/%00/result", "/v1/tokens/%00"])
def test_what_no_database_stores_is_not_found(two: Two, path: str) -> None:
    assert two.a.request("DELETE" if "tokens" in path else "GET", path).status_code == 404


def test_nobody_is_told_where_things_are_kept(two: Two) -> None:
    said = two.a.get("/v1/settings").text + two.a.get("/readyz").text + two.a.get("/metrics").text
    assert two.a.get("/readyz").status_code == 200
    assert PASSWORD not in said and "postgresql" not in said and SECRET not in said
