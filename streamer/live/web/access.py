"""Who may see what over HTTP: names of this machine, the token, and what guessing at it costs. No sockets here."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streamer.live.guard.connection_caps import party_of
from streamer.live.guard.login_brake import LoginBrake
from streamer.live.web.host_names import HostNames

_OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""For monitoring, which calls this machine by any name; nothing secret is in them."""
_COOKIE: Final = "veilcast-known"


@dataclass(frozen=True, slots=True)
class Asked:
    """What counts of a request. `host` to `agent` are headers, None where there are none."""

    path: str
    host: str | None
    authorization: str | None
    cookies: str | None
    agent: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer to a request that is not let in."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Admitted:
    """It is let in; `cookie` is to be set, if any."""

    cookie: str | None = None


class WebAccess:
    """Judges requests. Without a `token`, by the name that this machine is called by; with one, by that alone.

    Clients of the same address, of a proxy's above all, are told apart by their `User-Agent`; browsers better. One
    that had the token right gets a cookie that proves it, and does not wait when others at its address guess. The
    cookie opens nothing: the token is asked for all the same.
    """

    def __init__(self, token: str | None, names: HostNames) -> None:
        self._token = None if token is None else _hashed(token.encode())
        self._names = names
        self._brake = LoginBrake()
        self._key = secrets.token_bytes(32)

    def judge(self, asked: Asked, now: float) -> Admitted | Refused:
        """Whether the request is let in, `now` in seconds of any steady clock. Never raises."""
        if self._token is None:
            if asked.path in _OPEN or self._names.allows(asked.host):
                return Admitted()
            return Refused(421, "this host name is not known here: add it to live.web.hosts, or set a token\n")
        if not asked.path.startswith(("/whep/", "/api/")):
            return Admitted()
        missing = Refused(401, "a token is needed\n", (("WWW-Authenticate", 'Bearer realm="veilcast"'),))
        if asked.authorization is None:
            return missing
        known = next(filter(self._is_ours, _cookies(asked.cookies or "")), None)
        party, kind = (party_of(asked.address), asked.agent or "") if known is None else (f"cookie {known}", "")
        wait = self._brake.wait(party, kind, now)
        if wait:
            return Refused(429, "too many wrong tokens\n", (("Retry-After", str(math.ceil(wait))),))
        given = asked.authorization.encode("utf-8", "surrogateescape")
        scheme, _, token = given.partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(_hashed(token.strip()), self._token):
            self._brake.granted(party, kind)
            return Admitted(f"{_COOKIE}={self._new()}; Path=/; HttpOnly; SameSite=Strict" if known is None else None)
        self._brake.failed(party, kind, given, now)
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
    """Values of the cookie that is ours."""
    for part in header.split(";")[:64]:
        name, _, value = part.strip().partition("=")
        if name == _COOKIE and len(value) <= 128:
            yield value


def _hashed(secret: bytes) -> bytes:
    """Of one length, whatever the secret's is."""
    return hashlib.sha256(secret).digest()
