"""Whatever goes wrong is answered with a problem document that gives nothing away."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from streamer.service.http.problems import PROBLEM_TYPE, PROBLEMS, ProblemError, errors_are_problems
from streamer.service.store.database import BusyError
from tests.rigs.uvicorn_server import uvicorn_serving

SECRET = "hunter2"


class _OddError(Exception):
    pass


class _Body(BaseModel):
    count: int


def app() -> FastAPI:
    made = FastAPI(responses=PROBLEMS, docs_url=None, redoc_url=None)
    errors_are_problems(made, {_OddError: 409})
    raised = {
        "told": ProblemError(429, "wait", headers={"Retry-After": "7"}, place=3),
        "odd": _OddError("not\nnow"),
        "busy": BusyError("locked"),
        "bug": RuntimeError(SECRET),
    }

    @made.get("/raise/{what}")
    def fail(what: str) -> None:
        raise raised[what]

    @made.post("/number")
    def number(body: _Body) -> None: ...

    @made.get("/half")
    def half() -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            yield b"half"
            raise RuntimeError(SECRET)

        return StreamingResponse(pieces(), headers={"Content-Length": "8"})

    return made


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with uvicorn_serving(app()) as address:
        yield address


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/raise/told", 429, "wait"),
        ("GET", "/raise/odd", 409, "not now"),
        ("GET", "/raise/busy", 503, "locked; nothing was changed, try again"),
        ("GET", "/raise/bug", 500, "this is a fault of the service; its log says more"),
        ("GET", "/nothing", 404, None),
        ("DELETE", "/number", 405, None),
    ],
)
def test_each_is_a_document(method: str, path: str, status: int, detail: str | None, url: str) -> None:
    answer = httpx.request(method, f"{url}{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM_TYPE)
    said = answer.json()
    assert (said["status"], said["type"], said.get("detail")) == (status, "about:blank", detail)
    assert said["title"]
    if path.endswith("told"):
        assert (answer.headers["retry-after"], said["place"]) == ("7", 3)
    if status == 405:
        assert answer.headers["allow"] == "POST"
    if status == 503:
        assert answer.headers["retry-after"] == "1"


def test_what_was_sent_is_not_repeated(url: str) -> None:
    answer = httpx.post(f"{url}/number", json={"count": SECRET})
    assert answer.status_code == 422 and SECRET not in answer.text
    assert answer.json()["errors"] == [
        {
            "where": "body.count",
            "problem": "Input should be a valid integer, unable to parse string as an integer",
        }
    ]
    assert httpx.post(f"{url}/number", content=b"{").json()["status"] == 422


def test_the_log_names_a_bug_and_its_place_only(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "veilcast"):
        httpx.get(f"{url}/raise/bug")
    (record,) = [record for record in caplog.records if record.name == "veilcast.service"]
    assert "RuntimeError in " in record.message and SECRET not in record.message and record.exc_info is None


def test_half_an_answer_does_not_look_whole(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url}/half")
    assert httpx.get(f"{url}/nothing").status_code == 404
    assert SECRET not in caplog.text
