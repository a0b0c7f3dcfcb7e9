"""Tokens: made, listed, revoked, and found by their secret. Only hashes of secrets are kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import select

from streamer.service.access.caller import Caller, Role, local_caller
from streamer.service.audit.entry import SYSTEM, AuditAction, AuditEntry
from streamer.service.audit.log import record
from streamer.service.store.blobs import is_id, new_id
from streamer.service.store.database import Database
from streamer.service.store.tables import TokenRow

PREFIX: Final = "vc_"
"""What every secret begins with, so that scanners for leaked secrets know one when they see it."""
_SHORTEST: Final = 16  # characters of a secret that somebody else has chosen
_LONGEST_LABEL: Final = 100  # characters; the column's length


class TokenError(ValueError):
    """A token cannot be made like this; one line says why."""


class TokenMissingError(LookupError):
    """There is no such token."""


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What a token may use; None: no limit."""

    max_jobs: int | None = None
    max_bytes: int | None = None
    requests_per_minute: int | None = None

    def check(self) -> None:
        """Raises TokenError for a limit that lets nothing through."""
        for name in ("max_jobs", "max_bytes", "requests_per_minute"):
            value = getattr(self, name)
            if value is not None and not 1 <= value < 2**31 * (2**32 if name == "max_bytes" else 1):
                raise TokenError(f"{name} must be 1 or more, and not absurdly many")


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token as it is listed, without its secret. Times in seconds since 1970; `revoked` None while it is valid."""

    id: str
    label: str
    roles: frozenset[Role]
    created: float
    revoked: float | None
    limits: TokenLimits


class Tokens:
    """The tokens of one database. Thread-safe. Every method raises BusyError as the database does."""

    def __init__(self, database: Database, clock: Callable[[], float] | None = None) -> None:
        self.database, self._clock = database, clock or database.now

    def create(
        self,
        label: str,
        roles: Iterable[Role],
        limits: TokenLimits | None = None,
        by: Caller | None = None,
    ) -> tuple[str, str]:
        """A new token's id and secret; the secret cannot be had again. `by` None: somebody at this machine.

        Raises TokenError.
        """
        given, limits, by = frozenset(roles), limits or TokenLimits(), by or local_caller()
        if not label or len(label) > _LONGEST_LABEL or not label.isprintable():
            raise TokenError(f"a label has 1 to {_LONGEST_LABEL} printable characters")
        if not given:
            raise TokenError("a token needs at least one role")
        limits.check()
        made, secret, now = new_id(), f"{PREFIX}{secrets.token_urlsafe(32)}", self._clock()
        row = TokenRow(
            id=made,
            secret_sha256=_hashed(secret),
            label=label,
            roles=" ".join(sorted(given)),
            created=now,
            revoked=None,
            max_jobs=limits.max_jobs,
            max_bytes=limits.max_bytes,
            requests_per_minute=limits.requests_per_minute,
        )
        said = AuditEntry(
            AuditAction.TOKEN, by.owner, by.address, token=made, settings={"change": "create", "roles": row.roles}
        )
        with self.database.writing() as session:
            session.add(row)
            record(session, said, now)
        return made, secret

    def adopt(self, secret: str, label: str) -> None:
        """Make a secret that was chosen elsewhere the one admin's token of this label; another one before it ends.

        Raises TokenError.
        """
        if len(secret) < _SHORTEST or not secret.isprintable() or not secret.isascii():
            raise TokenError(f"a token has at least {_SHORTEST} printable ASCII characters")
        hashed, now = _hashed(secret), self._clock()
        with self.database.writing() as session:
            known = False
            for row in session.scalars(select(TokenRow).where(TokenRow.label == label, TokenRow.revoked.is_(None))):
                if hmac.compare_digest(row.secret_sha256, hashed):
                    known = True
                    continue
                row.revoked = now
                record(session, AuditEntry(AuditAction.TOKEN, SYSTEM, token=row.id, settings={"change": "revoke"}), now)
            if known:
                return
            if session.scalar(select(TokenRow.id).where(TokenRow.secret_sha256 == hashed)) is not None:
                raise TokenError("this token exists under another label, or was revoked")
            row = TokenRow(id=new_id(), secret_sha256=hashed, label=label, roles=str(Role.ADMIN), created=now)
            session.add(row)
            said = {"change": "create", "roles": row.roles}
            record(session, AuditEntry(AuditAction.TOKEN, SYSTEM, token=row.id, settings=said), now)

    def revoke(self, token: str, by: Caller | None = None) -> None:
        """End a token for ever; once more does no harm. Raises TokenMissingError."""
        by, now = by or local_caller(), self._clock()
        with self.database.writing() as session:
            row = session.get(TokenRow, token) if is_id(token) else None
            if row is None:
                raise TokenMissingError("there is no such token")
            if row.revoked is None:
                row.revoked = now
                said = AuditEntry(AuditAction.TOKEN, by.owner, by.address, token=token, settings={"change": "revoke"})
                record(session, said, now)

    def list(self) -> list[TokenInfo]:
        """All of them, oldest first, those that are revoked included."""
        with self.database.reading() as session:
            rows = session.scalars(select(TokenRow).order_by(TokenRow.created, TokenRow.id)).all()
        return [TokenInfo(row.id, row.label, _roles(row), row.created, row.revoked, _limits(row)) for row in rows]

    def ever_made(self) -> bool:
        """Whether there has ever been a token, valid or revoked: revoking the last one must not let everybody in."""
        with self.database.reading() as session:
            return session.scalar(select(TokenRow.id).limit(1)) is not None

    def any_valid(self) -> bool:
        """Whether there is a token that lets somebody in."""
        with self.database.reading() as session:
            return session.scalar(select(TokenRow.id).where(TokenRow.revoked.is_(None)).limit(1)) is not None

    def find(self, secret: str) -> Caller | None:
        """Whose secret it is; None if it is nobody's or was revoked.

        Always one hash and one look-up by it, whatever was sent: how long it takes tells nothing about other secrets.
        """
        hashed = _hashed(secret)
        with self.database.reading() as session:
            row = session.scalar(select(TokenRow).where(TokenRow.secret_sha256 == hashed))
        valid = row is not None and row.revoked is None and hmac.compare_digest(row.secret_sha256, hashed)
        return _caller(row) if row is not None and valid else None

    def holder(self, token: str) -> Caller | None:
        """The caller that this id stands for; None if there is none or it was revoked."""
        with self.database.reading() as session:
            row = session.get(TokenRow, token)
        return None if row is None or row.revoked is not None else _caller(row)

    def note_login(self, actor: str, address: str | None, outcome: str = "ok") -> None:
        """Write to the audit log that somebody logged in, or tried to."""
        with self.database.writing() as session:
            record(session, AuditEntry(AuditAction.LOGIN, actor, address, outcome=outcome), self._clock())


def at(caller: Caller, address: str | None) -> Caller:
    """The same caller, seen at this address."""
    return replace(caller, address=address)


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _caller(row: TokenRow) -> Caller:
    return Caller(row.id, _roles(row), None, row.max_jobs, row.max_bytes, row.requests_per_minute)


def _roles(row: TokenRow) -> frozenset[Role]:
    return frozenset(map(Role, row.roles.split()))


def _limits(row: TokenRow) -> TokenLimits:
    return TokenLimits(row.max_jobs, row.max_bytes, row.requests_per_minute)
