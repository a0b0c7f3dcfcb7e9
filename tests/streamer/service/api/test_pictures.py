"""A picture over HTTP: masked, kept, written down; and every way in which it can be refused."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from PIL import Image

from streamer.service.access.caller import Role
from tests.rigs.service.odd_process import COMMAND
from tests.rigs.service.pictures_server import PicturesServer, serving_pictures
from tests.streamer.pictures.files import face_change, portrait

WAIT = 60.0


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicturesServer]:
    """With processes that return what they get, or what that asks for."""
    with serving_pictures(tmp_path_factory.mktemp("odd"), max_bytes=1000, command=COMMAND) as server:
        yield server


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_a_face_is_masked(tmp_path_factory: pytest.TempPathFactory) -> None:
    out = io.BytesIO()
    portrait().save(out, "JPEG", quality=95)
    with serving_pictures(tmp_path_factory.mktemp("real")) as server:
        raw = httpx.post(server.pictures, content=out.getvalue(), timeout=WAIT)
        form = httpx.post(
            server.pictures,
            files={"file": ("../me.gif", out.getvalue(), "text/html"), "settings": (None, '{"style": "solid"}')},
            timeout=WAIT,
        )
        again = httpx.post(server.pictures, content=out.getvalue(), timeout=WAIT)
        other = httpx.post(server.pictures, content=out.getvalue(), headers={"Owner": "you"}, timeout=WAIT)
        entries = [json.loads(entry) for entry in server.entries()]
    for answer in (raw, form):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert (answer.headers["x-veilcast-faces"], answer.headers["x-veilcast-cache"]) == ("1", "miss")
        assert answer.headers["cache-control"] == "no-store"
        with Image.open(io.BytesIO(answer.content)) as image:
            assert face_change(portrait(), image) > 15
    assert (again.headers["x-veilcast-cache"], again.content) == ("hit", raw.content)
    assert other.headers["x-veilcast-cache"] == "miss"
    assert [entry["actor"] for entry in entries] == ["me", "me", "me", "you"]
    assert {entry["input_sha256"] for entry in entries} == {hashlib.sha256(out.getvalue()).hexdigest()}
    assert entries[2]["output_sha256"] == hashlib.sha256(raw.content).hexdigest()
    assert [entry.get("settings") for entry in entries[:2]] == [
        {"config": "default"},
        {"config": "default", "style": "solid"},
    ]


@pytest.mark.parametrize(
    ("query", "request_", "status", "detail"),
    [
        ("", {"content": b"crash"}, 422, "the picture cannot be masked: its process ended with signal 11"),
        ("", {"content": b"refuse"}, 415, "the picture is\\nodd\\x1b[0m"),
        ("", {"content": b""}, 422, "there is no picture in the request"),
        ("", {"content": bytes(1001)}, 413, "more than the 1000 bytes that are accepted"),
        ("", {"content": b"x", "headers": {"Content-Encoding": "gzip"}}, 415, "without a Content-Encoding"),
        ("?style=none", {"content": b"x"}, 422, "query.style: Input should be 'veil'"),
        ("?sytle=blur", {"content": b"x"}, 422, "query.sytle: Extra inputs are not permitted"),
        ("?color=red", {"content": b"x"}, 422, "query.color: String should match pattern"),
        ("?style=blur&style=veil&x", {"content": b"x"}, 422, "query.x: Extra inputs"),
        ("", {"files": {"settings": (None, "{}")}}, 422, "the form has no part file"),
        ("", {"files": {"file": b"x", "other": b"x"}}, 422, "a part of the form is none of: file, settings"),
        ("", {"files": {"file": b"x", "settings": (None, '{"style": 1}')}}, 422, "settings.style: Input should"),
        ("", {"files": {"file": b"x", "settings": (None, "[]")}}, 422, "settings: Input should be an object"),
        ("?style=blur", {"files": {"file": b"x", "settings": (None, "{}")}}, 422, "not in both"),
        ("", {"files": {"file": bytes(1001)}}, 413, "more than the 1000 bytes"),
        ("", {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "the form is damaged"),
    ],
)
def test_refusals(query: str, request_: dict[str, object], status: int, detail: str, odd: PicturesServer) -> None:
    answer = httpx.post(f"{odd.pictures}{query}", timeout=WAIT, **request_)  # type: ignore[arg-type]
    said = answer.json()
    assert (answer.status_code, said["status"]) == (status, status)
    assert detail in said["detail"]
    assert odd.budget.held == 0


def test_a_refused_picture_is_written_down(odd: PicturesServer) -> None:
    httpx.post(odd.pictures, content=b"raise")
    entry = json.loads(odd.entries()[-1])
    assert entry["outcome"] == "the picture cannot be masked (RuntimeError)" and "output_sha256" not in entry
    assert (entry["actor"], entry["address"]) == ("me", "192.0.2.1")


def test_a_picture_that_was_masked_whole_says_so_and_is_not_kept(odd: PicturesServer) -> None:
    for _ in range(2):
        answer = httpx.post(odd.pictures, content=b"whole", timeout=WAIT)
        assert (answer.status_code, answer.headers["x-veilcast-whole"]) == (200, "1")
        assert answer.headers["x-veilcast-cache"] == "miss"
    assert "x-veilcast-whole" not in httpx.post(odd.pictures, content=b"x", timeout=WAIT).headers


def test_only_submitters(odd: PicturesServer) -> None:
    odd.roles.discard(Role.SUBMIT)
    try:
        assert httpx.post(odd.pictures, content=b"x").status_code == 403
    finally:
        odd.roles.add(Role.SUBMIT)
    assert httpx.get(odd.pictures).status_code == 405


def send_and_stay(url: str, content: bytes) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    client = socket.create_connection((host, int(port)), WAIT)
    head = f"POST /v1/pictures HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n\r\n"
    client.sendall(head.encode() + content)
    return client


def test_whoever_goes_away_leaves_the_queue_and_the_full_room_says_when(odd: PicturesServer) -> None:
    before = odd.pool.counts()
    until(lambda: odd.pool.ready)
    clients = [send_and_stay(odd.url, b"hang")]
    until(lambda: odd.pool.counts().busy == 1)
    clients += [send_and_stay(odd.url, b"%d" % number) for number in range(4)]
    until(lambda: odd.pool.counts().waiting == 4)
    full = httpx.post(odd.pictures, content=b"one too many")
    assert full.status_code == 429 and int(full.headers["retry-after"]) >= 1
    clients.pop().close()
    until(lambda: odd.pool.counts().waiting == 3)
    for client in clients:
        client.close()
    until(lambda: odd.pool.counts().waiting == 0)
    assert odd.pool.counts().dropped - before.dropped == 5
    until(lambda: odd.budget.held == 0)


def test_metrics(odd: PicturesServer) -> None:
    answer = httpx.get(f"{odd.url}/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    counts = odd.pool.counts()
    assert f'veilcast_pictures_total{{answer="refused"}} {counts.refused:.1f}' in lines
    assert 'veilcast_jobs{state="queued"} 3.0' in lines and 'veilcast_waiting{queue="pictures"} 0.0' in lines
    assert 'veilcast_waiting{queue="jobs"} 3.0' in lines
    odd.roles.discard(Role.OPERATE)
    try:
        assert httpx.get(f"{odd.url}/metrics").status_code == 403
    finally:
        odd.roles.add(Role.OPERATE)


def test_the_document_names_the_settings_and_the_body(odd: PicturesServer) -> None:
    post = httpx.get(f"{odd.url}/openapi.json").json()["paths"]["/v1/pictures"]["post"]
    assert {each["name"] for each in post["parameters"]} == {"config", "style", "cover", "color"}
    assert {"image/jpeg", "multipart/form-data"} <= post["requestBody"]["content"].keys()
    assert {"image/jpeg"} <= post["responses"]["200"]["content"].keys() and "default" in post["responses"]
