"""Jobs over HTTP: keys, pages, news, ranges, and nothing of anybody else's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.rigs.service.raw_http import cut_off, head, soon
from tests.rigs.service.running import ended, film, photo, running_service, submitted

pytestmark = pytest.mark.slow

INVENTED = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running_service(tmp_path_factory.mktemp("jobs") / "data") as made:
        yield made


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running_service(tmp_path_factory.mktemp("idle") / "data", workers=0) as made:
        yield made


def uploaded(client: httpx.Client, content: bytes = b"not a film") -> str:
    found: str = client.post("/v1/uploads", content=content).raise_for_status().json()["id"]
    return found


def test_a_key_makes_one_job_however_often_it_is_sent(idle: httpx.Client) -> None:
    body: dict[str, object] = {"upload": uploaded(idle)}
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: idle.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k 1"}), range(8))
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == len(idle.get("/v1/jobs").json()["jobs"]) == 1
    for other in ({**body, "settings": {"style": "blur"}}, {"upload": uploaded(idle)}):
        assert idle.post("/v1/jobs", json=other, headers={"Idempotency-Key": "k 1"}).status_code == 409
    for wrong in (b"", b"x" * 256, b"tab\there", "ä".encode()):
        answer = idle.post("/v1/jobs", json=body, headers=[(b"Idempotency-Key", wrong)])
        assert answer.status_code == 422, wrong
    assert idle.delete(f"/v1/jobs/{answers[0].json()['id']}").status_code == 204


ODD = (
    b'{"upload": "%s", "\\ud800": 1}',  # half a surrogate pair: no UTF-8 has it
    b'{"upload": "%s", "settings": {"\\udfff\\n": 1}}',
    b'{"upload": "%s", "settings": {"config": "\\ud800"}}',
    b'{"upload": "%s", "webhook": {"url": "\\ud800"}}',
    b'{"upload": "%s", "webhook": {"url": "https://[::1"}}',
    b'{"upload": "%s", "settings": {"verify": NaN}}',
    b'{"upload": "%s", "settings": 1e999}',
    b'{"upload": "%s", "settings": ' + b"9" * 5000 + b"}",
    b'{"upload": "%s", "settings": ' + b"[" * 20_000,
    b'{"upload": "%s", "upload": null}',
    b'\xff{"upload": "%s"}',
    b'"%s"',
)


@pytest.mark.parametrize("body", ODD, ids=[str(number) for number in range(len(ODD))])
def test_odd_json_is_a_problem_of_one_line(body: bytes, idle: httpx.Client) -> None:
    content = body.replace(b"%s", uploaded(idle).encode())
    answer = idle.post("/v1/jobs", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json" and "\n" not in answer.json().get("detail", "")


def test_a_job_whose_client_goes_away_before_the_answer_is_taken_in(idle: httpx.Client) -> None:
    body = b'{"upload": "%s"}' % uploaded(idle).encode()
    kind = {"Content_Type": "application/json", "Content_Length": len(body), "Idempotency_Key": "gone"}
    before = len(idle.get("/v1/jobs").json()["jobs"])
    cut_off(idle, head(idle, "POST", "/v1/jobs", **kind) + body[:-1])
    cut_off(idle, head(idle, "POST", "/v1/jobs", **kind) + body)
    assert soon(lambda: len(idle.get("/v1/jobs").json()["jobs"]) == before + 1)


def test_pages_hold_every_job_once(idle: httpx.Client) -> None:
    upload = uploaded(idle)
    made = [idle.post("/v1/jobs", json={"upload": upload}).json()["id"] for _ in range(7)]
    found: list[str] = []
    place: str | None = ""
    while place is not None:
        page = idle.get(f"/v1/jobs?limit=3{place and f'&before={place}'}").json()
        found += [job["id"] for job in page["jobs"]]
        place = page["next"]
    assert found[:7] == made[::-1] and len(found) == len(set(found))
    assert idle.delete(f"/v1/jobs/{made[3]}").status_code == 204  # cancelled: it is still there
    assert idle.get(f"/v1/jobs?limit=1&before={made[3]}").json()["jobs"][0]["id"] == made[2]
    for wrong in ("limit=0", "limit=201", "limit=x", "before=x", f"before={INVENTED[:-1]}", "before=", "all=perhaps"):
        assert idle.get(f"/v1/jobs?{wrong}").status_code == 422, wrong
    assert idle.get(f"/v1/jobs?before={INVENTED}").status_code == 404


def news(client: httpx.Client, job: object) -> list[str]:
    with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
        return [line for line in stream.iter_lines() if line.startswith("event: ")]


def test_news_end_with_the_job(client: httpx.Client, idle: httpx.Client) -> None:
    failed = submitted(client, b"no film")["id"]
    assert set(news(client, failed)) == {"event: job"}
    assert news(client, failed) == ["event: job"], "it has ended: one event, and the end"
    waiting = submitted(idle, b"no film either")["id"]
    with ThreadPoolExecutor(1) as pool, idle.stream("GET", f"/v1/jobs/{waiting}/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: job"
        assert pool.submit(idle.delete, f"/v1/jobs/{waiting}").result().status_code == 204
        assert '"state":"cancelled"' in "".join(lines)


def test_listeners_are_a_bounded_number_that_comes_back(idle: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.service.api.events.LISTENERS", 2)
    job = submitted(idle, b"wait")["id"]
    path = f"/v1/jobs/{job}/events"
    with idle.stream("GET", path) as one, idle.stream("GET", path) as two:
        lines = one.iter_lines(), two.iter_lines()  # a stream whose iterator is dropped gets closed
        assert [next(each) for each in lines] == ["event: job"] * 2
        full = idle.get(path)
        assert (full.status_code, full.headers["retry-after"]) == (429, "5")
    assert idle.delete(f"/v1/jobs/{job}").status_code == 204
    assert soon(lambda: idle.get(path).status_code == 200)


def test_a_long_stream_ends_so_that_its_listener_must_be_let_in_again(
    idle: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.service.api.events.LONGEST", 0.0)
    job = submitted(idle, b"wait for long")["id"]
    assert news(idle, job) == ["event: job"]
    assert idle.get(f"/v1/jobs/{job}").json()["state"] == "queued"
    assert idle.delete(f"/v1/jobs/{job}").status_code == 204


def test_every_file_that_is_fetched_is_in_the_audit_log(client: httpx.Client, tmp_path: Path) -> None:
    job = ended(client, submitted(client, film(tmp_path, 5), settings={"masks": True})["id"])
    place = f"/v1/jobs/{job['id']}"
    for file in ("report", "report", "masks"):
        client.head(f"{place}/{file}")
        assert client.get(f"{place}/{file}").status_code == 200, file

    def hashes() -> list[object]:
        entries = client.get("/v1/audit").json()["entries"]
        found = [each for each in entries if each.get("job") == job["id"] and each["action"] == "download"]
        return [each.get("output_sha256") for each in found]

    assert hashes() == [None, None], "what was fetched is not the result"
    assert client.get(f"{place}/result").status_code == 200
    assert isinstance(job["result"], dict) and hashes() == [job["result"]["sha256"], None, None]


def test_a_file_that_has_just_expired_is_gone(tmp_path: Path) -> None:
    with running_service(tmp_path / "data") as other:
        job = ended(other, submitted(other, photo(0.25))["id"])["id"]
        for blob in (tmp_path / "data" / "blobs").rglob("*"):
            if blob.is_file():
                blob.unlink()
        for file in ("result", "report"):
            answer = other.get(f"/v1/jobs/{job}/{file}")
            assert (answer.status_code, answer.json()["detail"][:10]) == (404, "it is gone"), answer.text


@pytest.fixture(scope="module")
def result(client: httpx.Client) -> tuple[str, bytes]:
    """Path and content of a masked picture."""
    job = ended(client, submitted(client, photo(0.25))["id"])
    assert job["state"] == "done", job
    path = f"/v1/jobs/{job['id']}/result"
    return path, client.get(path).content


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=0-", 206, 0, None),
        ("bytes=5-", 206, 5, None),
        ("bytes=5-9", 206, 5, 10),
        ("BYTES=5-9", 206, 5, 10),
        ("bytes=-5", 206, -5, None),
        ("bytes=-99999999", 206, 0, None),
        ("bytes=5-99999999", 206, 5, None),
        ("bytes=99999999-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-5", 200, 0, None),
        ("bytes=-", 200, 0, None),
        ("bytes=", 200, 0, None),
        ("bytes=a-b", 200, 0, None),
        ("bytes=٣-٤", 200, 0, None),
        ("bytes=0x0-0x5", 200, 0, None),
        ("bytes=--5", 200, 0, None),
        ("bytes=" + "9" * 500 + "-", 200, 0, None),
        ("bytes=0-1,5-6", 200, 0, None),
        ("bytes=0-1, -1", 200, 0, None),
        ("seconds=0-1", 200, 0, None),
        ("0-1", 200, 0, None),
        ("", 200, 0, None),
    ],
)
def test_ranges(
    asked: str, status: int, start: int, end: int | None, client: httpx.Client, result: tuple[str, bytes]
) -> None:
    path, whole = result
    answer = client.get(path, headers=[(b"Range", asked.encode())])
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
        return
    wanted = whole[start:end]
    assert answer.content == wanted and answer.headers["content-length"] == str(len(wanted))
    first = start % len(whole)
    said = f"bytes {first}-{first + len(wanted) - 1}/{len(whole)}" if status == 206 else None
    assert answer.headers.get("content-range") == said


def test_a_range_of_another_version_is_none(client: httpx.Client, result: tuple[str, bytes]) -> None:
    path, whole = result
    tag = client.get(path).headers["etag"]
    for condition, status in ((tag, 206), ('"other"', 200), (f"W/{tag}", 200), ("Fri, 27 Nov 2026 00:00:00 GMT", 200)):
        assert client.get(path, headers={"Range": "bytes=0-9", "If-Range": condition}).status_code == status
    assert hashlib.sha256(whole).hexdigest().startswith(tag.strip('"'))


def test_heads_say_what_gets_would(client: httpx.Client, result: tuple[str, bytes]) -> None:
    path, whole = result
    for each in (path, path.replace("result", "report")):
        get, asked = client.get(each), client.head(each)
        assert (get.status_code, asked.status_code, asked.content) == (200, 200, b"")
        for name in ("content-length", "content-type", "etag", "content-disposition", "accept-ranges"):
            assert asked.headers[name] == get.headers[name], name
    ranged = client.head(path, headers={"Range": "bytes=0-9"})
    assert (ranged.status_code, ranged.headers["content-length"]) == (200, str(len(whole))), "ranges are for GET alone"
    assert client.head(f"/v1/jobs/{INVENTED}/result").status_code == 404


def test_a_job_of_another_is_like_one_that_never_was(tmp_path: Path) -> None:
    with running_service(tmp_path / "data", "an admin's long secret", workers=0) as admin:
        of = [
            admin.post("/v1/tokens", json={"label": name, "roles": ["submit"]}).json()["secret"]
            for name in ("anna", "ben")
        ]
        anna, ben = ({"Authorization": f"Bearer {token}"} for token in of)
        upload = admin.post("/v1/uploads", content=b"film", headers=anna).json()["id"]
        body = {"upload": upload}
        job = admin.post("/v1/jobs", json=body, headers={**anna, "Idempotency-Key": "1"}).json()["id"]

        def same(method: str, path: str, **more: object) -> None:
            theirs, nobodys = (
                admin.request(method, path.format(one), headers=ben, **more)  # type: ignore[arg-type]
                for one in (job, INVENTED)
            )
            assert theirs.status_code == nobodys.status_code == 404, path
            assert theirs.content == nobodys.content and set(theirs.headers) == set(nobodys.headers), path

        for path in ("/v1/jobs/{}", "/v1/jobs/{}/result", "/v1/jobs/{}/report", "/v1/jobs/{}/masks"):
            same("GET", path)
        same("HEAD", "/v1/jobs/{}/result")
        same("GET", "/v1/jobs/{}/events")
        same("GET", "/v1/jobs?before={}")
        same("DELETE", "/v1/jobs/{}")
        told = [
            admin.post("/v1/jobs", json={"upload": one}, headers={**ben, "Idempotency-Key": "1"})
            for one in (upload, INVENTED)
        ]
        assert told[0].status_code == 404 and told[0].content == told[1].content, "the key is Anna's own, too"
        place = admin.get(f"/v1/jobs/{job}", headers=anna).json()["place"]
        assert place == 1
