"""Headers that protect whoever looks at an answer: ASGI middleware, for every answer of an application."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send


def page_policy(pictures: str) -> str:
    """Content-Security-Policy of pages whose every part comes from this server, and pictures from this scheme, too."""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' {pictures}; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


PAGE_POLICY: Final = page_policy("data:")
"""For pages with small pictures in their style sheets."""


def security_headers(policy: str = PAGE_POLICY) -> Mapping[str, str]:
    """The headers of every answer, with this Content-Security-Policy."""
    return MappingProxyType(
        {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
            "Cache-Control": "no-store",
            "Server": "veilcast",
        }
    )


class SecurityHeaders:
    """Adds `headers` to every answer of `app`, errors included. One that an answer already has stays as it is."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] | None = None) -> None:
        self._app = app
        given = security_headers() if headers is None else headers
        self._headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                names = {name.lower() for name, _ in own}
                message = {**message, "headers": own + [each for each in self._headers if each[0] not in names]}
            await send(message)

        await self._app(scope, receive, protected)
