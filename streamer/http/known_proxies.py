"""ASGI middleware: what comes through a proxy that is known comes from whoever the proxy says, not from the proxy."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

ProxyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_WITH_PORT: Final = re.compile(r"\[([^\]]*)\](?::\d{1,5})?|([0-9.]+):\d{1,5}")
_MOST: Final = 32  # addresses of a header that are looked at


class KnownProxies:
    """Changes the client of requests from `proxies`, by X-Forwarded-For. With none, it changes nothing."""

    def __init__(self, app: ASGIApp, proxies: Sequence[ProxyNetwork]) -> None:
        self._app, self._proxies = app, tuple(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        client = scope.get("client")
        if self._proxies and client is not None and scope["type"] == "http":
            said = b",".join(value for name, value in scope["headers"] if name.lower() == b"x-forwarded-for")
            sender = forwarded_client(str(client[0]), said.decode("latin-1"), self._proxies)
            if sender != client[0]:
                scope = {**scope, "client": (sender, 0)}
        await self._app(scope, receive, send)


def forwarded_client(peer: str, header: str, proxies: Sequence[ProxyNetwork]) -> str:
    """Whom a request comes from: of `peer` and those before it, from right to left, the first that is no known proxy.

    What stands further left could have been made up. So could everything, if the peer itself is not known.
    """
    found = peer
    for said in reversed(header.split(",")[-_MOST:]):
        if not _is_known(found, proxies):
            break
        address = _address(said.strip())
        if address is None:
            break
        found = address
    return found


def _is_known(address: str, proxies: Sequence[ProxyNetwork]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in proxies)


def _address(said: str) -> str | None:
    with_port = _WITH_PORT.fullmatch(said)
    try:
        return str(ipaddress.ip_address((with_port[1] or with_port[2]) if with_port else said))
    except ValueError:
        return None
