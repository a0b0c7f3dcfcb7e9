"""The last line of defence of an ASGI application: what it fails to answer becomes an error without details."""

from __future__ import annotations

import logging

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("veilcast.web")


class ErrorPages:
    """Answers 500 when `app` fails, and logs the error's type alone: its text may contain anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = ended = False

        async def watched(message: Message) -> None:
            nonlocal begun, ended
            begun = begun or message["type"] == "http.response.start"
            ended = ended or (message["type"] == "http.response.body" and not message.get("more_body", False))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return  # whoever went away while sending his request needs no answer
        except Exception as error:
            if isinstance(error, HTTPException) and not begun:
                await plain_error(Request(scope), error)(scope, receive, send)
                return
            _log.error("a request failed: %s", type(error).__name__)
            if not begun:
                await PlainTextResponse("internal error", 500)(scope, receive, send)
            elif not ended:
                raise  # the server must cut the connection, or half an answer would look like a whole one


def plain_error(_: Request, error: Exception) -> Response:
    """An `HTTPException` as plain text, with the headers that it asks for: a handler for applications without pages."""
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code, headers=dict(error.headers or {}))
