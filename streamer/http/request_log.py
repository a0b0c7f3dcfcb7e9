"""One line in the log for every request, without anything that may be secret in it: ASGI middleware."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("veilcast.web")


class RequestLog:
    """Logs method, route, status and time at level debug: the route's pattern, not the path, the query or headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not _log.isEnabledFor(logging.DEBUG):
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "(no such page)")
            took = (time.monotonic() - begun) * 1000
            _log.debug("%s %s: %d in %.0f ms", scope["method"], route, status, took)
