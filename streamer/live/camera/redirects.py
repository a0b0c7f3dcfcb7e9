"""Resolves HTTP redirects before FFmpeg connects, because FFmpeg would follow them to any host."""

from __future__ import annotations

import email.parser
import socket
import ssl
import threading
import time
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

_MOVED: Final = (301, 302, 303, 307, 308)
_HEAD: Final = 16_384  # most bytes of a response's head
_MOST: Final = 5  # redirects in a row
_SLICE: Final = 0.2  # seconds between checks of the interrupt
_PORTS: Final = {"http": 80, "https": 443}


class RedirectError(Exception):
    """A redirect that must not be followed; the text says why in one line without credentials."""


def resolve_redirects(url: str, timeout: float, interrupt: threading.Event) -> str | None:
    """Where `url` redirects to on its own host; None if it does not redirect or cannot be reached.

    Credentials are not sent, but are kept in the address for the same port and for http to https. Ends within `timeout`
    seconds, or once `interrupt` is set. Raises RedirectError for redirects to other hosts or protocols, from https to
    http, and for too many of them.
    """
    end, start = time.monotonic() + timeout, url
    for _ in range(_MOST):
        try:
            location = _location(urlsplit(url), end, interrupt)
        except (OSError, ValueError):
            location = None
        if location is None:
            return None if url == start else url
        url = _next(url, location)
    raise RedirectError(f"it redirects more than {_MOST} times")


def _next(url: str, location: str) -> str:
    try:
        here, there = urlsplit(url), urlsplit(urljoin(url, location))
        host, port = there.hostname, there.port or _PORTS.get(there.scheme)
    except ValueError:
        raise RedirectError("it redirects to an invalid address") from None
    if there.scheme not in _PORTS or any(not " " < char < "\x7f" for char in location):
        raise RedirectError("it redirects to an address that is not http or https")
    if host != here.hostname:
        raise RedirectError(f"it redirects to another host ({host}); live.source.redirects: any allows that")
    if here.scheme == "https" and there.scheme == "http":
        raise RedirectError("it redirects from https to http; live.source.redirects: any allows that")
    login = here.netloc.rpartition("@")[0]
    trusted = port == (here.port or _PORTS[here.scheme]) or (here.scheme, there.scheme) == ("http", "https")
    if login and trusted and "@" not in there.netloc:
        there = there._replace(netloc=f"{login}@{there.netloc}")
    return there.geturl()


def _location(url: SplitResult, end: float, interrupt: threading.Event) -> str | None:
    """The Location of a redirect, or None; reads only the response's head. Raises OSError and ValueError."""
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    with socket.create_connection((host, port), max(0.1, end - time.monotonic())) as plain:
        connection = _secured(plain, host) if url.scheme == "https" else plain
        with connection:
            connection.sendall(_request(url))
            connection.settimeout(_SLICE)
            data = b""
            while b"\r\n\r\n" not in data and len(data) < _HEAD:
                if interrupt.is_set() or time.monotonic() > end:
                    return None
                try:
                    part = connection.recv(4096)
                except TimeoutError:
                    continue
                if not part:
                    break
                data += part
    status, _, rest = data.partition(b"\r\n")
    if int(status.split()[1]) not in _MOVED:
        return None
    return email.parser.BytesHeaderParser().parsebytes(rest.partition(b"\r\n\r\n")[0]).get("Location")


def _secured(plain: socket.socket, host: str) -> ssl.SSLSocket:
    # No verification, like FFmpeg: cameras use self-signed certificates.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host)


def _request(url: SplitResult) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [f"GET {target} HTTP/1.1", f"Host: {url.netloc.rpartition('@')[2]}", "User-Agent: veilcast", "Accept: */*"]
    return "".join(f"{line}\r\n" for line in [*lines, "Connection: close", ""]).encode("ascii", "strict")
