"""Bodies: never more than is allowed in memory, and none of them in files."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from streamer.service.http import body as room
from streamer.service.http.body import BodyBudget, body_pieces, form_parts, media_type, read_body
from streamer.service.http.problems import ProblemError, errors_are_problems
from tests.rigs.uvicorn_server import uvicorn_serving

CAP = 1000
BUDGET = BodyBudget(6000)
NAMES = frozenset({"file", "settings"})


def app() -> FastAPI:
    made = FastAPI()
    errors_are_problems(made)

    @made.post("/")
    async def take(request: Request) -> dict[str, object]:
        with BUDGET.share("me") as share:
            body = await read_body(request, CAP, share)
            return {"bytes": len(body), "held": BUDGET.held, "type": media_type(request)}

    @made.post("/pieces")
    async def count(request: Request) -> int:
        return sum([len(piece) async for piece in body_pieces(request, CAP)])

    return made


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with uvicorn_serving(app()) as address:
        yield address


def pieces(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * 100


def test_up_to_the_cap(url: str) -> None:
    answer = httpx.post(url, content=b"x" * CAP, headers={"Content-Type": "Image/PNG; q=1"})
    assert answer.json() == {"bytes": CAP, "held": CAP, "type": "image/png"}
    assert httpx.post(url, content=b"x" * (CAP + 1)).status_code == 413
    assert httpx.post(url, content=pieces(10)).json()["bytes"] == CAP
    assert httpx.post(url, content=pieces(11)).status_code == 413
    assert BUDGET.held == 0


def test_an_announced_length_is_enough_to_refuse(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {10**12}\r\n\r\n".encode())
        assert client.recv(64).startswith(b"HTTP/1.1 413 ")


def test_all_bodies_together_have_a_limit() -> None:
    budget = BodyBudget(40)
    with ExitStack() as stack:
        one, again, *others = [stack.enter_context(budget.share(owner)) for owner in "aabcd"]
        one.take(6)
        with pytest.raises(ProblemError) as refused:
            again.take(5)
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
        again.take(4)
        for other in others:
            other.take(10)  # one who takes all of it leaves the others theirs
        assert budget.held == 40
        with pytest.raises(ProblemError), budget.share("e") as late:
            late.take(1)
        others[0].give_back(1)
        others[0].take(1)
    assert budget.held == 0
    with budget.share("a") as one:
        one.take(10)


def dribbled(url: str, path: str) -> bytes:
    """The answer to a body that never ends, of which a byte comes now and then."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900\r\n\r\n".encode())
        for _ in range(899):
            client.sendall(b"x")
            if select.select([client], [], [], 0.02)[0]:
                break
        got = b""
        while not got.endswith(b"}") and (piece := client.recv(1 << 16)):
            got += piece
        return got


def test_a_body_that_must_be_whole_has_a_deadline_however_often_something_comes(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "GRACE", 0.2)
    answer = dribbled(url, "/")
    assert answer.startswith(b"HTTP/1.1 408 ") and b"it took more than" in answer
    assert httpx.post(url, content=b"x" * CAP).status_code == 200 and BUDGET.held == 0


def test_a_body_whose_pieces_count_may_take_long_but_not_trickle(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "WINDOW", 0.2)
    answer = dribbled(url, "/pieces")
    assert answer.startswith(b"HTTP/1.1 408 ") and b"less than 1024 bytes" in answer
    monkeypatch.setattr(room, "TRICKLE", 1)
    monkeypatch.setattr(room, "GRACE", 0.0)
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(f"POST /pieces HTTP/1.1\r\nHost: {host}\r\nContent-Length: 30\r\n\r\n".encode())
        for _ in range(30):
            client.sendall(b"x")
            select.select([client], [], [], 0.02)
        assert client.recv(64).startswith(b"HTTP/1.1 200 ")


def test_a_form(url: str) -> None:
    sent = httpx.Request(
        "POST", url, files={"file": ("ü.png", b"\r\n--x\r\n\0", "image/png"), "settings": (None, b"{}")}
    )
    assert form_parts(sent.headers["content-type"], sent.read(), NAMES) == {"file": b"\r\n--x\r\n\0", "settings": b"{}"}
    with pytest.raises(ProblemError, match="none of: file, settings"):
        form_parts(sent.headers["content-type"], sent.read().replace(b'"settings"', b'"other"'), NAMES)
    with pytest.raises(ProblemError, match="more than one part file"):
        form_parts(sent.headers["content-type"], sent.read().replace(b'"settings"', b'"file"'), NAMES)
    for length in range(len(sent.read()) - 4):  # the last line feed may be missing
        with pytest.raises(ProblemError, match="damaged or not complete"):
            form_parts(sent.headers["content-type"], sent.read()[:length], NAMES)


@given(st.text(st.characters(max_codepoint=255), max_size=40), st.binary(max_size=200))
def test_any_form_is_parts_or_a_problem(boundary: str, body: bytes) -> None:
    for kind in (f"multipart/form-data; boundary={boundary}", "multipart/form-data; boundary=x", boundary):
        try:
            form_parts(kind, b"--x\r\n" + body, NAMES)
        except ProblemError as error:
            assert error.status in (400, 422)
