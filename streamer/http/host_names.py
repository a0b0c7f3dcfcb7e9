"""Which host names a browser may use for this machine. Without a token, this keeps foreign web pages out.

A foreign page can point its own host name at an address in this network, and then counts as same-origin: DNS rebinding.
But its requests carry that name in the Host header, and no browser lets a page change it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable


class HostNames:
    """Allows IP addresses, localhost, this machine's name, the name it listens on, and the names in `configured`."""

    def __init__(self, configured: Iterable[str], listening: str) -> None:
        own = socket.gethostname().lower().rstrip(".")
        self._names = {"localhost", own, f"{own.partition('.')[0]}.local", listening.lower().rstrip(".")}
        self._names |= {name.lower().rstrip(".") for name in configured}

    def allows(self, host: str | None) -> bool:
        """Whether a Host header, with or without a port, is allowed. None is: every browser sends one."""
        if host is None:
            return True
        name = _without_port(host.strip().lower())
        if name is None:
            return False
        if name in self._names or name.endswith(".localhost"):
            return True
        try:
            # An IP address is safe: DNS cannot point it anywhere else.
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
