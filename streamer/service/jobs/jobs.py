"""Jobs as those who submit them see them: taken in, looked at, cancelled, deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy import exists, func, select, tuple_
from sqlalchemy.orm import Session

from streamer.service.access.caller import Caller, Role
from streamer.service.audit.entry import SYSTEM, AuditAction, AuditEntry
from streamer.service.audit.log import record
from streamer.service.jobs.ending import Ending, Farewell
from streamer.service.jobs.errors import ConflictError, InvalidError, NotFoundError, QuotaError
from streamer.service.jobs.job import ACTIVE, Job, JobState, job_of
from streamer.service.jobs.settings import JobSettings, WebhookRequest
from streamer.service.jobs.uploads import Clock, own_upload, remove_upload
from streamer.service.store.blobs import Blobs, is_id, new_id
from streamer.service.store.database import Database
from streamer.service.store.tables import JobRow, UploadRow

MOST_WAITING: Final = 10_000
"""Jobs that may be queued in all."""
NO_JOB: Final = "no such job: it was never here, is somebody else's, or has expired"


class Announcements(Protocol):
    """Tells others of a job's end: webhooks."""

    def plan(self, session: Session, job: str, url: str, secret: str | None) -> str:
        """Note, in the transaction that takes a job in, where to tell of its end; returns the secret, made if None."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that was taken in. `webhook_secret` is told this once only; None without a webhook, or the second time."""

    job: Job
    webhook_secret: str | None = None


class Jobs:
    """All jobs. Thread-safe. Whatever is somebody else's does not exist for a caller (NotFoundError)."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        keep: float,
        engine: Callable[[JobSettings], str],
        farewell: Farewell,
        announcements: Announcements | None = None,
        clock: Clock | None = None,
        base: str | None = None,
    ) -> None:
        """`keep`: seconds until an ended job is deleted. `engine`: name of what would mask with these settings.

        `base`: this server's settings, as JSON, if others do the jobs.
        """
        self._base = base
        self._database, self._blobs, self._keep, self._engine = database, blobs, keep, engine
        self._farewell, self._announcements, self._clock = farewell, announcements, clock or database.now

    def submit(
        self,
        caller: Caller,
        upload: str,
        settings: JobSettings,
        key: str | None = None,
        webhook: WebhookRequest | None = None,
    ) -> Submitted:
        """Take a job in. Once this returns, the job is never lost. The same `key` with the same request: the same job.

        If the caller had the same file masked in the same way before, and the result is still there, it is done.
        Raises NotFoundError, ConflictError (the upload is not complete; the key belongs to another request),
        InvalidError (the webhook's address), QuotaError.
        """
        asked = settings.canonical()
        said = "\n".join((upload, asked, "" if webhook is None else webhook.model_dump_json()))
        request = hashlib.sha256(said.encode()).hexdigest()
        now, blobs = self._clock(), list[str]()
        with self._database.writing() as session:
            if key is not None and (before := _with_key(session, caller, key)) is not None:
                if before.idempotency_sha256 != request:
                    raise ConflictError("this Idempotency-Key came with another request before")
                return Submitted(job_of(before, _place(session, before)))
            file = own_upload(session, caller, upload)
            if file.sha256 is None:
                raise ConflictError("the upload is not complete")
            _check_quota(session, caller)
            row = JobRow(id=new_id(), owner=caller.owner, state=JobState.QUEUED, upload=upload)
            row.input_sha256, row.input_bytes = file.sha256, file.received
            row.settings, row.engine = asked, self._engine(settings)
            row.attempts, row.setbacks, row.progress, row.created = 0, 0, 0.0, now
            row.base = self._base
            row.idempotency_key, row.idempotency_sha256 = key, None if key is None else request
            session.add(row)
            session.flush()
            entry = AuditEntry(
                AuditAction.SUBMIT,
                caller.owner,
                caller.address,
                upload=upload,
                job=row.id,
                input_sha256=row.input_sha256,
                settings=settings.model_dump(mode="json", exclude_none=True),
                engine=row.engine,
            )
            record(session, entry, now)
            secret = None
            if webhook is not None:
                if self._announcements is None:
                    raise InvalidError("webhooks are switched off on this server")
                secret = self._announcements.plan(session, row.id, webhook.url, webhook.secret)
            same = _same_before(session, row)
            if same is not None:
                for name in ("result", "result_type", "result_bytes", "result_sha256", "report", "masks"):
                    setattr(row, name, getattr(same, name))
                blobs = self._farewell.end(session, row, Ending(JobState.DONE), now)
            job = job_of(row, _place(session, row))
        self._blobs.discard(*blobs)
        return Submitted(job, secret)

    def get(self, caller: Caller, job: str) -> Job:
        """A job as it is now. Operators see those of all. Raises NotFoundError."""
        with self._database.reading() as session:
            row = _row(session, caller, job)
            return job_of(row, _place(session, row))

    def own(self, caller: Caller, job: str) -> Job:
        """The same, but only the caller's own: whoever may see a job may not therefore see its result."""
        found = self.get(caller, job)
        if found.owner != caller.owner:
            raise NotFoundError(NO_JOB)
        return found

    def list(self, caller: Caller, limit: int, before: str | None = None, everyone: bool = False) -> list[Job]:
        """The newest jobs, at most `limit`, those before the job `before` if given. Raises NotFoundError."""
        with self._database.reading() as session:
            query = select(JobRow).order_by(JobRow.number.desc()).limit(limit)
            if not (everyone and caller.may(Role.OPERATE)):
                query = query.where(JobRow.owner == caller.owner)
            if before is not None:
                query = query.where(JobRow.number < _row(session, caller, before).number)
            rows = list(session.scalars(query))
            ahead = _places(session) if any(row.state == JobState.QUEUED for row in rows) else {}
            return [job_of(row, ahead.get(row.id)) for row in rows]

    def delete(self, caller: Caller, job: str) -> Job | None:
        """Cancel a job that has not ended; delete one that has, with all that is kept of it. Raises NotFoundError.

        Returns the cancelled job, None for one that is gone. A cancelled job keeps nothing but its row.
        """
        now = self._clock()
        with self._database.writing() as session:
            row = _row(session, caller, job)
            if row.owner != caller.owner and row.state not in ACTIVE:
                raise ConflictError("only its owner may delete a job that has ended")
            entry = AuditEntry(AuditAction.DELETE, caller.owner, caller.address, job=job, input_sha256=row.input_sha256)
            record(session, entry, now)
            if row.state in ACTIVE:
                blobs = self._farewell.end(session, row, Ending(JobState.CANCELLED, actor=caller.owner), now)
                left = job_of(row, None)
            else:
                blobs, left = self._farewell.remove(session, row), None
        self._blobs.discard(*blobs)
        return left

    def note_download(self, caller: Caller, job: Job) -> None:
        """Add to the audit log that a result is being fetched."""
        sha256 = None if job.result is None else job.result.sha256
        with self._database.writing() as session:
            entry = AuditEntry(
                AuditAction.DOWNLOAD,
                caller.owner,
                caller.address,
                job=job.id,
                input_sha256=job.input_sha256,
                output_sha256=sha256,
            )
            record(session, entry, self._clock())

    def expire(self) -> int:
        """Delete ended jobs whose time is over, and uploads that nobody went on with; returns how many."""
        now, blobs, count = self._clock(), list[str](), 0
        with self._database.writing() as session:
            over = JobRow.state.not_in(ACTIVE) & (JobRow.expires <= now)
            for row in session.scalars(select(JobRow).where(over).limit(500)):
                record(session, AuditEntry(AuditAction.DELETE, SYSTEM, job=row.id, outcome="expired"), now)
                blobs += self._farewell.remove(session, row)
                count += 1
            unneeded = ~exists().where(JobRow.upload == UploadRow.id, JobRow.state.in_(ACTIVE))
            old = select(UploadRow).where(UploadRow.touched <= now - self._keep, unneeded).limit(20)
            for stale in session.scalars(old):
                record(session, AuditEntry(AuditAction.DELETE, SYSTEM, upload=stale.id, outcome="expired"), now)
                blobs += remove_upload(session, stale)
                count += 1
        self._blobs.discard(*blobs)
        return count

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        with self._database.reading() as session:
            found = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all()
        counted = {row[0]: row[1] for row in found}
        return {state.value: counted.get(state, 0) for state in JobState}


def _row(session: Session, caller: Caller, job: str) -> JobRow:
    query = select(JobRow).where(JobRow.id == job)
    if not caller.may(Role.OPERATE):  # asked of the database, so that another's takes no longer than none
        query = query.where(JobRow.owner == caller.owner)
    row = session.scalar(query) if is_id(job) else None
    if row is None:
        raise NotFoundError(NO_JOB)
    return row


def _with_key(session: Session, caller: Caller, key: str) -> JobRow | None:
    return session.scalar(select(JobRow).where(JobRow.owner == caller.owner, JobRow.idempotency_key == key))


def _same_before(session: Session, row: JobRow) -> JobRow | None:
    """A job of the same owner that did the same to the same file, whose result is still there."""
    query = select(JobRow).where(
        JobRow.owner == row.owner,
        JobRow.input_sha256 == row.input_sha256,
        JobRow.settings == row.settings,
        JobRow.engine == row.engine,
        JobRow.state == JobState.DONE,
        JobRow.result.is_not(None),
    )
    return session.scalar(query.order_by(JobRow.number.desc()).limit(1))


def _check_quota(session: Session, caller: Caller) -> None:
    waiting = select(func.count()).select_from(JobRow)
    if (session.scalar(waiting.where(JobRow.state == JobState.QUEUED)) or 0) >= MOST_WAITING:
        raise QuotaError(f"{MOST_WAITING} jobs are waiting, as many as this server takes in")
    if caller.max_jobs is not None:
        own = session.scalar(waiting.where(JobRow.owner == caller.owner, JobRow.state.in_(ACTIVE))) or 0
        if own >= caller.max_jobs:
            raise QuotaError(f"this token may have {caller.max_jobs} jobs at a time, and {own} have not ended")


def _place(session: Session, row: JobRow) -> int | None:
    if row.state != JobState.QUEUED:
        return None
    earlier = tuple_(JobRow.setbacks, JobRow.number) < (row.setbacks, row.number)
    ahead = select(func.count()).select_from(JobRow).where(JobRow.state == JobState.QUEUED, earlier)
    return 1 + (session.scalar(ahead) or 0)


def _places(session: Session) -> dict[str, int]:
    queued = select(JobRow.id).where(JobRow.state == JobState.QUEUED).order_by(JobRow.setbacks, JobRow.number)
    return {name: place for place, name in enumerate(session.scalars(queued), 1)}
