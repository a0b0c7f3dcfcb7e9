"""Who may in: by token, by a browser's session, or because the service is open to everybody at this machine."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

from streamer.guard.connection_caps import client_key
from streamer.guard.login_throttle import LoginThrottle
from streamer.http.host_names import HostNames
from streamer.service.access.caller import Caller, local_caller
from streamer.service.access.rates import RequestRates
from streamer.service.access.sessions import LoginSessions, session_cookie
from streamer.service.access.tokens import Tokens, at
from streamer.service.audit.entry import SYSTEM

T = TypeVar("T")

_HEALTH: Final = frozenset({"/healthz", "/readyz"})
_PAGE: Final = frozenset({"/", "/favicon.ico"})
_PAGE_FILES: Final = "/page/"
LOGIN: Final = "/v1/session"


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """The parts of a request that access depends on. `host` to `fetch_mode` are headers, None if missing."""

    method: str
    path: str
    address: str | None = None
    host: str | None = None
    authorization: str | None = None
    cookie: str | None = None
    agent: str | None = None
    origin: str | None = None
    fetch_site: str | None = None
    fetch_mode: str | None = None
    forwarded: bool = False
    """Whether a proxy says that it has passed the request on."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a request that is refused: its status, one line, and headers."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


_WANTED: Final = Refusal(401, "a token is required", (("WWW-Authenticate", 'Bearer realm="veilcast"'),))
_WRONG: Final = Refusal(
    401, "the token is wrong or was revoked", (("WWW-Authenticate", 'Bearer realm="veilcast", error="invalid_token"'),)
)


class AccessRules:
    """Decides about requests. Thread-safe.

    Open, without tokens: on a loopback address until the first token is made, even if it is revoked later, and anywhere
    if `insecure`. A web page of somebody else must not use what is open, nor a browser's session: so names of hosts and
    origins are checked.
    """

    def __init__(
        self,
        tokens: Tokens,
        sessions: LoginSessions,
        names: HostNames,
        *,
        loopback: bool,
        insecure: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens, self._sessions, self._names, self._clock = tokens, sessions, names, clock
        self._loopback, self._insecure = loopback, insecure
        self._lock = threading.Lock()  # for the two below
        self._throttle = LoginThrottle()
        self._rates = RequestRates()

    def open(self) -> bool:
        """Whether everybody who reaches the service may do everything. Raises BusyError."""
        return self._insecure or (self._loopback and not self._tokens.ever_made())

    def at_once(self, asked: AskedRequest) -> bool:
        """Whether `decide` needs no database for this request, and so never waits."""
        return asked.path in _HEALTH or (is_public(asked) and self._names.allows(asked.host))

    def decide(self, asked: AskedRequest) -> Caller | Refusal | None:
        """Who it is, or the refusal; None for what everybody may have, such as the login. Raises BusyError."""
        if asked.path in _HEALTH:
            return None
        by_token = asked.authorization is not None and not is_public(asked)
        if not by_token and (refused := self._foreign_name(asked)) is not None:
            return refused
        if is_public(asked):
            return Refusal(403, _FOREIGN) if asked.method == "POST" and _is_foreign(asked) else None
        found = self._by_token(asked) if by_token else self._without_token(asked)
        if isinstance(found, Refusal):
            return found
        return self._too_many(found) or at(found, asked.address)

    def login(self, secret: str, address: str | None, agent: str | None) -> str | Refusal:
        """A new session's cookie for a token. Raises BusyError."""
        caller = self._throttled(secret, address, agent, lambda: self._tokens.find(secret))
        if isinstance(caller, Refusal):
            return caller
        if (refused := self._too_many(caller)) is not None:  # each login ends an older session and fills the audit log
            return refused
        self._tokens.note_login(caller.owner, address)
        return self._sessions.begin(caller)

    def logout(self, cookies: str | None) -> None:
        """End the session of a Cookie header, if it has one. Raises BusyError."""
        cookie = session_cookie(cookies)
        if cookie is not None:
            self._sessions.end(cookie)

    def _too_many(self, caller: Caller) -> Refusal | None:
        with self._lock:
            wait = self._rates.wait(caller.owner, caller.requests_per_minute, self._clock())
        return Refusal(429, "more requests than this token may send in a minute", _after(wait)) if wait else None

    def _foreign_name(self, asked: AskedRequest) -> Refusal | None:
        """A cookie is bound to its name and a token is a secret; only what is open can be had by another name."""
        if self._names.allows(asked.host) or not self.open():
            return None
        return Refusal(421, "this host name is not known here: use the address, or create a token")

    def _by_token(self, asked: AskedRequest) -> Caller | Refusal:
        scheme, _, secret = (asked.authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return _WANTED
        secret = secret.strip()
        return self._throttled(secret, asked.address, asked.agent, lambda: self._tokens.find(secret))

    def _without_token(self, asked: AskedRequest) -> Caller | Refusal:
        cookie = session_cookie(asked.cookie)
        caller = None if cookie is None else self._sessions.caller(cookie)
        if caller is None:
            if not self.open():
                return _WANTED
            if asked.forwarded and not self._insecure:
                # A proxy on this machine makes everybody look local.
                return Refusal(403, "the request came through a proxy: create a token before others may reach this")
            caller = local_caller()
        return Refusal(403, _FOREIGN) if _is_foreign(asked) else caller

    def _throttled(
        self, secret: str, address: str | None, agent: str | None, check: Callable[[], T | None]
    ) -> T | Refusal:
        client, kind = client_key(address or ""), agent or ""
        with self._lock:
            wait = self._throttle.wait(client, kind, self._clock())
        if wait:
            return Refusal(429, "too many wrong tokens", _after(wait))
        found = check()
        with self._lock:
            if found is not None:
                self._throttle.granted(client, kind)
                return found
            now = self._clock()
            self._throttle.failed(client, kind, secret.encode("utf-8", "surrogateescape"), now)
            locked = self._throttle.wait(client, kind, now) > 0
        if locked:  # not every wrong token: anybody could fill the log
            self._tokens.note_login(SYSTEM, address, "too many wrong tokens")
        return _WRONG


_FOREIGN: Final = "a web page of another site may not do this"


def is_public(asked: AskedRequest) -> bool:
    """Whether it needs no token: health, the login, and the page's own files, which hold nothing."""
    if asked.path == LOGIN:
        return asked.method == "POST"
    page = asked.path in _PAGE or asked.path.startswith(_PAGE_FILES)
    return asked.path in _HEALTH or (page and asked.method in ("GET", "HEAD"))


def _is_foreign(asked: AskedRequest) -> bool:
    """Whether a browser says that another site's page sent it. Programs send none of these headers."""
    if asked.fetch_site is not None:  # no page can forge it, and unlike Host no proxy changes it
        followed = asked.fetch_mode == "navigate" and asked.method in ("GET", "HEAD")
        return asked.fetch_site not in ("same-origin", "none") and not followed
    if asked.origin is None:
        return False
    try:
        place = urlsplit(asked.origin).netloc.lower()
    except ValueError:
        return True
    return asked.host is None or place != asked.host.lower()


def _after(seconds: float) -> tuple[tuple[str, str], ...]:
    return (("Retry-After", str(max(1, math.ceil(seconds)))),)
