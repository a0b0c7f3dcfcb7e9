"""The tables. Times are seconds since 1970, UTC. Nothing here names a person, a file or a camera.

A change here needs a migration beside it: see `migrations/`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

LOCAL: Final = "local"
"""The owner of what came in over loopback without a token."""

_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up by itself only for INTEGER


class Base(DeclarativeBase):
    """All tables, with names for constraints, which migrations need."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class TokenRow(Base):
    """A token that lets a program or a person in. Its secret is random and long, so one plain hash protects it."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    label: Mapped[str] = mapped_column(String(100))
    roles: Mapped[str] = mapped_column(String(100))
    """Sorted, separated by spaces."""
    created: Mapped[float]
    revoked: Mapped[float | None]
    max_jobs: Mapped[int | None]
    """Jobs that may be queued or running at a time; None: no limit."""
    max_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Bytes that uploads and results may take at a time; None: no limit."""
    requests_per_minute: Mapped[int | None]


class UploadRow(Base):
    """A file that was sent in, or is being sent."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(32), index=True)
    """A token's id, or `LOCAL`."""
    received: Mapped[int] = mapped_column(BigInteger)
    """Bytes that are safely stored: the sum of its parts."""
    length: Mapped[int | None] = mapped_column(BigInteger)
    """Bytes that are announced; None while they are not known."""
    sha256: Mapped[str | None] = mapped_column(String(64))
    """Of the whole file, in hexadecimal digits; None until it is complete."""
    resumable: Mapped[bool]
    """Whether its sender knows its id, and can go on with it after being cut off."""
    created: Mapped[float]
    touched: Mapped[float]


class PartRow(Base):
    """A piece of an upload. Stores of blobs cannot append, so an upload is a list of pieces."""

    __tablename__ = "parts"

    upload: Mapped[str] = mapped_column(String(32), primary_key=True)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    blob: Mapped[str] = mapped_column(String(32))


class JobRow(Base):
    """A file that is to be masked, is being masked, or was."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state_number", "state", "number"),)

    number: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    """The order in which jobs came in. Not shown itself: it would tell how many jobs there have ever been. A queued
    job's `place`, which is shown, does tell how many jobs of all owners are queued before it."""
    id: Mapped[str] = mapped_column(String(32), unique=True)
    owner: Mapped[str] = mapped_column(String(32), index=True)
    state: Mapped[str] = mapped_column(String(12))
    """One of `jobs.JobState`."""
    phase: Mapped[str] = mapped_column(String(8), default="whole", server_default="whole")
    """One of `jobs.step.JobPhase`: what is to be done next while it has not ended."""
    plan: Mapped[str | None] = mapped_column(Text, deferred=True)
    """Settings of all its units, as JSON, once it has been cut into some; it is not cut a second time."""
    upload: Mapped[str | None] = mapped_column(String(32), index=True)
    """The original; None once it is gone. It goes when no job needs it any more."""
    input_sha256: Mapped[str] = mapped_column(String(64))
    input_bytes: Mapped[int] = mapped_column(BigInteger)
    settings: Mapped[str] = mapped_column(Text)
    """Canonical JSON (RFC 8785)."""
    base: Mapped[str | None] = mapped_column(Text, deferred=True)
    """Settings of the server that took the job in, as JSON, for workers elsewhere: what it hides, they hide."""
    engine: Mapped[str] = mapped_column(String(100))
    """Version and weights of the program that took the job in."""
    attempts: Mapped[int]
    setbacks: Mapped[int]
    """How often it was put off, or interrupted by the server's end: through no fault of its own, but not for ever."""
    not_before: Mapped[float | None]
    """When it may be claimed again after a setback; None: at once."""
    lease: Mapped[str | None] = mapped_column(String(32))
    """The token of the worker's claim. Whoever does not hold it may not write to this row."""
    lease_until: Mapped[float | None]
    worker: Mapped[str | None] = mapped_column(String(64))
    progress: Mapped[float]
    """0 to 1."""
    seconds_left: Mapped[float | None]
    created: Mapped[float]
    started: Mapped[float | None]
    ended: Mapped[float | None]
    expires: Mapped[float | None]
    """When an ended job and its files are deleted."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it failed, in one line."""
    result: Mapped[str | None] = mapped_column(String(32))
    """Blob of the masked file."""
    result_type: Mapped[str | None] = mapped_column(String(64))
    result_bytes: Mapped[int | None] = mapped_column(BigInteger)
    result_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    report: Mapped[str | None] = mapped_column(String(32))
    masks: Mapped[str | None] = mapped_column(String(32))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    idempotency_sha256: Mapped[str | None] = mapped_column(String(64))
    """Of the request that came with the key."""


Index("uq_jobs_owner_idempotency_key", JobRow.owner, JobRow.idempotency_key, unique=True)


class UnitRow(Base):
    """A piece of a job's video. The rows go when the job ends."""

    __tablename__ = "units"

    job: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0, in the order of the video."""
    span: Mapped[str] = mapped_column(Text)
    """A `units.plan.UnitSpan`, as JSON."""
    share: Mapped[float]
    """Of the work on all units of the job; they add up to 1."""
    attempts: Mapped[int]
    setbacks: Mapped[int]
    not_before: Mapped[float | None]
    lease: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[float | None]
    worker: Mapped[str | None] = mapped_column(String(64))
    progress: Mapped[float]
    """0 to 1."""
    reason: Mapped[str | None] = mapped_column(Text)
    """Why the last attempt failed, in one line."""
    blob: Mapped[str | None] = mapped_column(String(32))
    """The unit, masked; None until it is done."""


class CacheRow(Base):
    """A masked picture that is kept, to answer the same question again. For videos, jobs themselves are looked up."""

    __tablename__ = "cache"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 over owner, input, settings and engine: a cache that owners share would tell who has seen a file."""
    owner: Mapped[str] = mapped_column(String(32), index=True)
    blob: Mapped[str] = mapped_column(String(32))
    media_type: Mapped[str] = mapped_column(String(64))
    faces: Mapped[int]
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created: Mapped[float]
    expires: Mapped[float] = mapped_column(index=True)


class AskedPictureRow(Base):
    """A picture that a gateway has no process for: any machine may mask it while its sender waits."""

    __tablename__ = "pictures"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    original: Mapped[str] = mapped_column(String(32))
    """Blob of what was sent."""
    settings: Mapped[str] = mapped_column(Text)
    """Settings of the engine, as JSON."""
    until: Mapped[float] = mapped_column(index=True)
    """Nobody waits for it any more then; whatever is left of it is deleted."""
    lease: Mapped[str | None] = mapped_column(String(32))
    """Token of the worker that masks it: the first one to ask."""
    ended: Mapped[bool]
    """Whether there is an answer."""
    masked: Mapped[str | None] = mapped_column(String(32))
    """Blob of the masked picture, if it could be masked; the rest says what it is, or why there is none."""
    media_type: Mapped[str | None] = mapped_column(String(64))
    faces: Mapped[int]
    whole: Mapped[bool]
    sha256: Mapped[str | None] = mapped_column(String(64))
    refused: Mapped[str | None] = mapped_column(Text)
    unsupported: Mapped[bool]


class DeliveryRow(Base):
    """A webhook that is still to be sent."""

    __tablename__ = "deliveries"

    number: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    """`webhook-id`: the same in every attempt, so that a receiver can tell a repetition."""
    job: Mapped[str] = mapped_column(String(32), index=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[bytes] = mapped_column(LargeBinary(64))
    event: Mapped[str | None] = mapped_column(String(32))
    """None until the job has ended."""
    body: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int]
    due: Mapped[float | None] = mapped_column(index=True)
    """When to try next; None until the job has ended, and when there is nothing more to try."""
    outcome: Mapped[str | None] = mapped_column(String(200))


class AuditRow(Base):
    """An entry of the audit log. Rows are only ever added."""

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=False)
    """1, 2, 3, ... without a gap."""
    entry: Mapped[str] = mapped_column(Text)
    """Canonical JSON (RFC 8785), which holds the number and the hash of the entry before."""
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    """Of `entry`."""


class FactRow(Base):
    """A fact about the whole database that all who use it must agree on."""

    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    """`oldest_schema`: number of the oldest version of the tables whose programs can still use them (four digits);
    `id`: 32 hexadecimal digits; `audit_key`: the seed of the key that signs checkpoints."""
    value: Mapped[bytes] = mapped_column(LargeBinary)


class SessionRow(Base):
    """A browser's session: a cookie that stands for a token, at every gateway."""

    __tablename__ = "sessions"

    cookie_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    token: Mapped[str] = mapped_column(String(32), index=True)
    used: Mapped[float] = mapped_column(index=True)
    """When it was last used, give or take some minutes."""


class ChoreRow(Base):
    """A chore that one of all servers does at a time."""

    __tablename__ = "chores"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    due: Mapped[float]
    """When it is to be done next. Whoever moves this on does it."""
