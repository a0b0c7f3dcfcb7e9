"""How long a request's body may be: ASGI middleware."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyCap:
    """At most `most` bytes of body reach `app`, except on paths below `elsewhere`, which have caps of their own.

    Whoever reads a longer body gets an HTTPException with status 413: before the first byte if the client tells the
    length, otherwise at the byte that is too many. So whatever refuses a request without its body comes first.
    """

    def __init__(self, app: ASGIApp, most: int, elsewhere: Iterable[str] = ()) -> None:
        self._app, self._most, self._elsewhere = app, most, tuple(elsewhere)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].startswith(self._elsewhere or ("\0",)):
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        # The server has refused lengths that are no numbers.
        came = int(told) if told.isascii() and told.isdigit() and int(told) > self._most else 0

        async def capped() -> Message:
            nonlocal came
            if came <= self._most:
                message = await receive()
                came += len(message.get("body", b""))
                if came <= self._most:
                    return message
            raise HTTPException(413, f"the body is longer than {self._most} bytes")

        await self._app(scope, capped, send)
