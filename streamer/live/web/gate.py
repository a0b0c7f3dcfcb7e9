"""Who may see the live site, and pages of which other sites may use it: ASGI middleware."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.live.web.access import AccessRequest, Refused, WebAccess

_CORS: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Accept-Patch, Accept-Post, Retry-After",
    "Access-Control-Max-Age": "600",
}


class TokenGate:
    """Passes on what `access()` allows; answers preflight requests of CORS, which carry no token, itself."""

    def __init__(self, app: ASGIApp, access: Callable[[], WebAccess]) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope)
        if scope["method"] == "OPTIONS" and "Access-Control-Request-Method" in given:
            await Response(status_code=204)(scope, receive, send)
            return
        client: tuple[str, int] | None = scope["client"]
        asked = AccessRequest(
            path=scope["path"],
            host=given.get("Host"),
            authorization=given.get("Authorization"),
            cookies=given.get("Cookie"),
            agent=given.get("User-Agent"),
            address=client[0] if client else "",
        )
        verdict = self._access().check(asked, time.monotonic())
        if isinstance(verdict, Refused):
            await PlainTextResponse(verdict.text, verdict.status, dict(verdict.headers))(scope, receive, send)
            return
        cookie = verdict.cookie

        async def known(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie or "")
            await send(message)

        await self._app(scope, receive, send if cookie is None else known)


class ForeignPages:
    """Lets pages of `origins` use the streams; "*" is any. Others get no CORS headers, so that browsers stop them."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app, self._origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        asked = scope["type"] == "http" and scope["path"].startswith(("/whep/", "/api/"))
        origin = Headers(scope=scope).get("Origin") if asked else None
        allowed = "*" if origin is not None and "*" in self._origins else origin
        if allowed is None or allowed not in self._origins:
            await self._app(scope, receive, send)
            return

        async def shared(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({"Access-Control-Allow-Origin": allowed, **_CORS, "Vary": "Origin"})
            await send(message)

        await self._app(scope, receive, shared)
