"""ASGI middleware in front of everything: only who may in gets through, and whoever does is known from there on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from fastapi.concurrency import run_in_threadpool

from streamer.service.access.caller import Caller
from streamer.service.access.decision import AccessRules, AskedRequest, Refusal
from streamer.service.store.database import BusyError, StorageError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SOON: Final = (("Retry-After", "2"),)
_BY_PROXIES: Final = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})


class AccessGate:
    """Sets `scope["state"]["caller"]` for the app, or refuses. What everybody may have comes without a caller."""

    def __init__(self, app: App, rules: AccessRules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # the service has none
            return
        asked = asked_request(scope)
        try:
            if self._rules.at_once(asked):  # health is told even while every thread waits for the database
                found = self._rules.decide(asked)
            else:
                found = await run_in_threadpool(self._rules.decide, asked)
        except BusyError as error:
            found = Refusal(503, str(error), _SOON)
        except StorageError as error:
            found = Refusal(507, f"the database cannot be used: {(error.strerror or 'no storage').lower()}")
        if isinstance(found, Refusal):
            await _refuse(send, found, asked.method == "HEAD")
            return
        if isinstance(found, Caller):
            scope.setdefault("state", {})["caller"] = found
        await self._app(scope, receive, send)


def asked_request(scope: Scope) -> AskedRequest:
    """What access needs to know of a request."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "surrogateescape"))
    client = scope.get("client")
    return AskedRequest(
        method=scope["method"],
        path=scope["path"],
        address=None if client is None else str(client[0]),
        host=headers.get("host"),
        authorization=headers.get("authorization"),
        cookie=headers.get("cookie"),
        agent=headers.get("user-agent"),
        origin=headers.get("origin"),
        fetch_site=headers.get("sec-fetch-site"),
        fetch_mode=headers.get("sec-fetch-mode"),
        forwarded=not _BY_PROXIES.isdisjoint(headers),
    )


def problem_body(refusal: Refusal) -> bytes:
    """The refusal as problem details (RFC 9457)."""
    title = HTTPStatus(refusal.status).phrase
    said = {"type": "about:blank", "title": title, "status": refusal.status, "detail": refusal.text}
    return json.dumps(said).encode()


async def _refuse(send: Send, refusal: Refusal, head: bool) -> None:
    body = problem_body(refusal)
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        *refusal.headers,
    ]
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if head else body})
