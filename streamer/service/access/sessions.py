"""Sessions of browsers: a token is traded for a cookie once, so that no page needs to keep it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from sqlalchemy import delete, func, select, update

from streamer.service.access.caller import Caller
from streamer.service.access.tokens import Tokens
from streamer.service.store.tables import SessionRow

COOKIE: Final = "veilcast_session"
"""The cookie's name."""
IDLE: Final = 12 * 3600.0
"""Seconds without a request after which a session ends."""

_NOTED: Final = 600.0  # s after which it is noted again that a session is used: not every request is to write
_PER_TOKEN: Final = 32  # sessions; one more ends the one that was idle for longest


class LoginSessions:
    """All sessions: rows of the database, so that they hold at every gateway and after a restart. Thread-safe.

    Every method raises BusyError as the database does.
    """

    def __init__(self, tokens: Tokens, clock: Callable[[], float] | None = None) -> None:
        self._tokens, self._database = tokens, tokens.database
        self._clock = clock or tokens.database.now

    def begin(self, caller: Caller) -> str:
        """The value of a new cookie, which stands for this holder of a token."""
        cookie, now = secrets.token_urlsafe(32), self._clock()
        theirs = select(SessionRow.cookie_sha256).where(SessionRow.token == caller.owner)
        surplus = theirs.order_by(SessionRow.used.desc()).offset(_PER_TOKEN - 1)
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.used < now - IDLE))
            for key in session.scalars(surplus).all():
                session.execute(delete(SessionRow).where(SessionRow.cookie_sha256 == key))
            session.add(SessionRow(cookie_sha256=_key(cookie), token=caller.owner, used=now))
        return cookie

    def caller(self, cookie: str) -> Caller | None:
        """Who a cookie stands for; None if its session has ended or its token was revoked."""
        key, now = _key(cookie), self._clock()
        with self._database.reading() as session:
            found = session.get(SessionRow, key)
        if found is None or now - found.used > IDLE:
            return None
        caller = self._tokens.holder(found.token)
        if caller is None:
            self.end(cookie)
        elif now - found.used > _NOTED:
            with self._database.writing() as session:
                session.execute(update(SessionRow).where(SessionRow.cookie_sha256 == key).values(used=now))
        return caller

    def end(self, cookie: str) -> None:
        """End a session; one that has ended already does no harm."""
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.cookie_sha256 == _key(cookie)))

    def __len__(self) -> int:
        with self._database.reading() as session:
            return session.scalar(select(func.count()).select_from(SessionRow)) or 0


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
    """A hash: whoever reads the database cannot use it, and a look-up tells nothing about cookies that exist."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()
