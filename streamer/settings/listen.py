"""Addresses that sinks listen on, as they are typed: `0.0.0.0:8554/door`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_ADDRESS = re.compile(rf"(?:(?P<host>\[[0-9a-fA-F:.]+\]|[^\s/:\[\]]+):)?(?P<port>\d{{1,5}})(?:/(?P<name>{_NAME})?)?")

RESERVED: Final = frozenset({"api", "healthz", "metrics", "page", "readyz", "whep"})
"""No names of streams: a stream has its page at /NAME, and these are taken."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens; `name` is the stream's, if one was given behind the slash."""

    host: str
    port: int
    name: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether other machines can reach it."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> Listen:
    """`[HOST:]PORT[/NAME]`; without a host, loopback only. Raises ValueError that says what is wrong."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an address to listen on; write [HOST:]PORT[/NAME]")
    port = int(found["port"])
    if port > 65535:
        raise ValueError(f"{text!r}: there is no port {port}")
    return Listen((found["host"] or "127.0.0.1").strip("[]"), port, found["name"])


def is_name(text: str) -> bool:
    """Whether this may be a stream's name: it becomes a part of addresses and of paths."""
    return re.fullmatch(_NAME, text) is not None
