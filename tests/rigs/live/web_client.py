"""An HTTP client for servers on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx

PATIENCE: Final = 30.0  # seconds


def web_client(
    base: str = "", headers: Mapping[str, str] | None = None, source: str | None = None
) -> httpx.AsyncClient:
    """A client without the proxies of the environment; `source` is the address that it connects from."""
    transport = httpx.AsyncHTTPTransport(local_address=source, limits=httpx.Limits(max_connections=200))
    return httpx.AsyncClient(base_url=base, headers=headers, transport=transport, timeout=PATIENCE)
