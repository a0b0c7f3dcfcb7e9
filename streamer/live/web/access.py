"""HTTP access control: allowed host names, the token, and throttling of token guesses. No sockets here."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streamer.guard.connection_caps import client_key
from streamer.guard.login_throttle import LoginThrottle
from streamer.http.host_names import HostNames

_OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Open to monitoring under any host name; they contain nothing secret."""
_COOKIE: Final = "veilcast-known"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """The parts of a request that access depends on. `host` to `agent` are headers, None if missing."""

    path: str
    host: str | None
    authorization: str | None
    cookies: str | None
    agent: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The response to a request that is refused."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request is allowed; `cookie` is the Set-Cookie value to send, if any."""

    cookie: str | None = None


class WebAccess:
    """Decides which requests are allowed: without a `token`, by the host name; with one, by the token alone.

    Clients behind one address, such as a proxy, are told apart by their `User-Agent`, browsers by a cookie. A browser
    that has sent the right token gets the cookie, and is then not slowed down when others at its address guess. The
    cookie grants no access: the token is still required.
    """

    def __init__(self, token: str | None, names: HostNames) -> None:
        self._token = None if token is None else _hashed(token.encode())
        self._names = names
        self._throttle = LoginThrottle()
        self._key = secrets.token_bytes(32)

    def check(self, asked: AccessRequest, now: float) -> Admitted | Refused:
        """Whether the request is allowed; `now` is in seconds of any monotonic clock. Never raises."""
        if self._token is None:
            if asked.path in _OPEN or self._names.allows(asked.host):
                return Admitted()
            return Refused(421, "unknown host name: add it to live.web.hosts, or set a token\n")
        if not asked.path.startswith(("/whep/", "/api/")):
            return Admitted()
        missing = Refused(401, "a token is required\n", (("WWW-Authenticate", 'Bearer realm="veilcast"'),))
        if asked.authorization is None:
            return missing
        known = next(filter(self._is_ours, _cookies(asked.cookies or "")), None)
        client, kind = (client_key(asked.address), asked.agent or "") if known is None else (f"cookie {known}", "")
        wait = self._throttle.wait(client, kind, now)
        if wait:
            return Refused(429, "too many wrong tokens\n", (("Retry-After", str(math.ceil(wait))),))
        given = asked.authorization.encode("utf-8", "surrogateescape")
        scheme, _, token = given.partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(_hashed(token.strip()), self._token):
            self._throttle.granted(client, kind)
            return Admitted(f"{_COOKIE}={self._new()}; Path=/; HttpOnly; SameSite=Strict" if known is None else None)
        self._throttle.failed(client, kind, given, now)
        return missing

    def _new(self) -> str:
        name = secrets.token_urlsafe(12)
        return f"{name}.{self._seal(name)}"

    def _is_ours(self, cookie: str) -> bool:
        name, _, seal = cookie.partition(".")
        return hmac.compare_digest(seal.encode("utf-8", "surrogateescape"), self._seal(name).encode())

    def _seal(self, name: str) -> str:
        return hmac.new(self._key, name.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _cookies(header: str) -> Iterator[str]:
    """Values of our cookie."""
    for part in header.split(";")[:64]:
        name, _, value = part.strip().partition("=")
        if name == _COOKIE and len(value) <= 128:
            yield value


def _hashed(secret: bytes) -> bytes:
    """A hash of fixed length, so that a comparison does not reveal the secret's length."""
    return hashlib.sha256(secret).digest()
