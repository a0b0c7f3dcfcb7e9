"""Bodies: never more than is allowed in memory, and none of them in files."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from streamer.service.http.body import BodyBudget, form_parts, media_type, read_body
from streamer.service.http.problems import ProblemError, errors_are_problems
from tests.rigs.uvicorn_server import uvicorn_serving

CAP = 1000
BUDGET = BodyBudget(1500)
NAMES = frozenset({"file", "settings"})


def app() -> FastAPI:
    made = FastAPI()
    errors_are_problems(made)

    @made.post("/")
    async def take(request: Request) -> dict[str, object]:
        with BUDGET.share() as share:
            body = await read_body(request, CAP, share)
            return {"bytes": len(body), "held": BUDGET.held, "type": media_type(request)}

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
    budget = BodyBudget(10)
    with budget.share() as one, budget.share() as other:
        one.take(6)
        with pytest.raises(ProblemError) as refused:
            other.take(5)
        assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
        other.take(4)
        assert budget.held == 10
    assert budget.held == 0


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
