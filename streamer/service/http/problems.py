"""Every error as a problem document (RFC 9457): one line for people, fields for programs, nothing of what was sent."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.service.store.database import BusyError, UncertainError

_log = logging.getLogger("veilcast.service")

PROBLEM_TYPE: Final = "application/problem+json"
_SOON: Final = {"Retry-After": "1"}
_ERRORS_SHOWN: Final = 20

_Document = dict[str, JsonValue]
_SCHEMA: Final = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
    },
}
PROBLEMS: Final[dict[int | str, dict[str, object]]] = {
    "default": {"description": "What went wrong", "content": {PROBLEM_TYPE: {"schema": _SCHEMA}}}
}
"""For `FastAPI(responses=...)`: how the OpenAPI document describes every other answer."""


class ProblemError(Exception):
    """Ends a request with a problem document. `detail` is one line for whoever made it."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: JsonValue,
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title or phrase(status), detail
        self.headers, self.extra = dict(headers or {}), extra


def problem(
    status: int, title: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **extra: JsonValue
) -> Response:
    """An answer with a problem document. `extra`: further fields."""
    document: _Document = {"type": "about:blank", "title": title, "status": status}
    if detail:
        document["detail"] = detail
    return JSONResponse({**document, **extra}, status, dict(headers or {}), PROBLEM_TYPE)


def phrase(status: int) -> str:
    """What HTTP calls a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def errors_are_problems(app: FastAPI, statuses: Mapping[type[Exception], int] | None = None) -> None:
    """Make the app answer every error with a problem document, also for paths and methods that it does not have.

    `statuses`: exceptions whose text is meant for the caller, and the status of each.
    """
    app.add_exception_handler(ProblemError, _told)
    app.add_exception_handler(HTTPException, http_problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(BusyError, _busy)
    for error, status in (statuses or {}).items():
        app.add_exception_handler(error, _with_status(status))
    app.add_middleware(_NoErrorEscapes)


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem(error.status, error.title, error.detail, headers=error.headers, **error.extra)


async def http_problem(_: Request, error: Exception) -> Response:
    """The answer to an HTTPException, such as for a path that does not exist."""
    assert isinstance(error, HTTPException)
    title = phrase(error.status_code)
    detail = error.detail if isinstance(error.detail, str) and error.detail != title else ""
    return problem(error.status_code, title, detail, headers=error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    """Where and what, never the value: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    found: list[JsonValue] = [
        {"where": ".".join(str(step) for step in each["loc"]), "problem": str(each["msg"])}
        for each in error.errors()[:_ERRORS_SHOWN]
    ]
    first = found[0] if found else None
    detail = f"{first['where']}: {first['problem']}" if isinstance(first, dict) else ""
    return problem(422, phrase(422), " ".join(detail.split()), errors=found)


async def _busy(_: Request, error: Exception) -> Response:
    uncertain = isinstance(error, UncertainError)
    known = "whether it was done is not known" if uncertain else "nothing was changed, try again"
    return problem(503, phrase(503), f"{error}; {known}", headers=_SOON)


def _with_status(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, error: Exception) -> Response:
        return problem(status, phrase(status), " ".join(str(error).split()), headers=_SOON if status == 429 else None)

    return answer


class _NoErrorEscapes:
    """Answers what nobody expected with 500. The log gets its type and place: its text may contain anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            _log.debug("a client went away before it had sent its request")
        except Exception as error:  # noqa: BLE001 - the last stop: the server goes on, the client gets an answer
            place = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("a request failed: %s in %s, line %s", type(error).__name__, place.filename, place.lineno)
            if begun:  # half an answer must not look like a whole one
                raise ConnectionAbortedError("an answer broke off") from None
            await problem(500, phrase(500), "this is a fault of the service; its log says more")(scope, receive, send)
