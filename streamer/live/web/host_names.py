"""Which names this machine may be called by in a browser: without a token, they keep strange pages out.

A page from elsewhere can have its own name lead to an address in this network, and then counts as of the same origin:
DNS rebinding. Its requests carry its name, and no browser lets it change that.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable


class HostNames:
    """Addresses, localhost, this machine's own name, the name that is listened on, and those in `configured`."""

    def __init__(self, configured: Iterable[str], listening: str) -> None:
        own = socket.gethostname().lower().rstrip(".")
        self._names = {"localhost", own, f"{own.partition('.')[0]}.local", listening.lower().rstrip(".")}
        self._names |= {name.lower().rstrip(".") for name in configured}

    def allows(self, host: str | None) -> bool:
        """Whether a Host header, a port in it or not, names this machine. None: no browser asks without one."""
        if host is None:
            return True
        name = _without_port(host.strip().lower())
        if name is None:
            return False
        if name in self._names or name.endswith(".localhost"):
            return True
        try:
            # Nobody's name: what leads to an address by itself cannot be led elsewhere.
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _without_port(host: str) -> str | None:
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        port = port.removeprefix(":")
        if not bracket or ":" not in name:
            return None
    else:
        name, _, port = host.partition(":")
        name = name.removesuffix(".")
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        return None
    return name or None
