"""Connects to the very address that was checked, so that no name can lead elsewhere between check and use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import httpcore

from streamer.service.webhooks.lookup import Lookups
from streamer.service.webhooks.target import WebhookPolicy, may_connect

_MOST: Final = 4  # addresses of one host to try
_EACH: Final = 4.0  # s for one of them, so that a dead one does not use up the time

_Option = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class ForbiddenAddressError(Exception):
    """The host has addresses, but none that webhooks may go to."""


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """All connections of webhooks begin here: look up, check, connect to what was checked. There is no other way."""

    def __init__(self, policy: WebhookPolicy, lookups: Lookups, inner: httpcore.AsyncNetworkBackend) -> None:
        self._policy, self._lookups, self._inner = policy, lookups, inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_Option] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection. Raises ForbiddenAddressError, or httpcore's errors."""
        try:
            found = await self._lookups.find(host, port)
        except OSError as error:
            raise httpcore.ConnectError("no such host") from error
        allowed = [address for address in found if may_connect(address, self._policy)][:_MOST]
        if found and not allowed:
            raise ForbiddenAddressError
        last: Exception = httpcore.ConnectError("no addresses")
        for address in allowed:
            try:
                async with asyncio.timeout(_EACH):
                    return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout, TimeoutError) as error:
                last = error
        raise httpcore.ConnectError("no address answers") from last
