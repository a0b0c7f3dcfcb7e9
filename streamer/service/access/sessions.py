"""Sessions of browsers: a token is traded for a cookie once, so that no page needs to keep it."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streamer.service.access.caller import Caller
from streamer.service.access.tokens import Tokens

COOKIE: Final = "veilcast_session"
"""The cookie's name."""
IDLE: Final = 12 * 3600.0
"""Seconds without a request after which a session ends."""

_PER_TOKEN = 32  # sessions; one more ends the one that was idle for longest
_IN_ALL = 8192


@dataclass(slots=True)
class _Session:
    token: str
    used: float


class LoginSessions:
    """All sessions, in memory: a restart ends them. Thread-safe. `clock`: seconds, monotonic."""

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._clock = tokens, clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()  # the one idle for longest comes first

    def begin(self, caller: Caller) -> str:
        """The value of a new cookie, which stands for this holder of a token."""
        cookie, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            self._forget(now)
            theirs = [key for key, session in self._sessions.items() if session.token == caller.owner]
            for key in theirs[: max(0, len(theirs) - _PER_TOKEN + 1)]:
                del self._sessions[key]
            if len(self._sessions) >= _IN_ALL:
                self._sessions.popitem(last=False)
            self._sessions[_key(cookie)] = _Session(caller.owner, now)
        return cookie

    def caller(self, cookie: str) -> Caller | None:
        """Who a cookie stands for; None if its session has ended or its token was revoked. Raises BusyError."""
        key, now = _key(cookie), self._clock()
        with self._lock:
            self._forget(now)
            session = self._sessions.get(key)
            if session is None:
                return None
            session.used = now
            self._sessions.move_to_end(key)
        caller = self._tokens.holder(session.token)
        if caller is None:
            self.end(cookie)
        return caller

    def end(self, cookie: str) -> None:
        """End a session; one that has ended already does no harm."""
        with self._lock:
            self._sessions.pop(_key(cookie), None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._sessions)

    def _forget(self, now: float) -> None:
        while self._sessions and now - next(iter(self._sessions.values())).used > IDLE:
            self._sessions.popitem(last=False)


def set_cookie(value: str, secure: bool) -> str:
    """The Set-Cookie header that hands out a session; an empty value takes it back."""
    parts = [f"{COOKIE}={value}", "Path=/", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*parts, *(["Secure"] if secure else []), *([] if value else ["Max-Age=0"])])


def session_cookie(header: str | None) -> str | None:
    """The session's cookie of a Cookie header; None if there is none."""
    for part in (header or "").split(";")[:64]:
        name, _, value = part.strip().partition("=")
        if name == COOKIE and 0 < len(value) <= 128:
            return value
    return None


def _key(cookie: str) -> bytes:
    """A hash, so that how long a look-up takes tells nothing about cookies that exist."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()
