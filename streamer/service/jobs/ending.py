"""What happens when a job ends, in one transaction: its state, the audit log, webhooks, and the files that go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from streamer.service.audit.entry import SYSTEM, AuditAction, AuditEntry
from streamer.service.audit.log import record
from streamer.service.jobs.event import WebhookEvent, event_body
from streamer.service.jobs.job import JobState
from streamer.service.jobs.step import JobPhase
from streamer.service.jobs.units import remove_units
from streamer.service.jobs.uploads import needed, remove_upload
from streamer.service.store.tables import JobRow, UploadRow


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ends; `reason` in one line if it failed, `actor` whoever ended it."""

    state: JobState
    reason: str | None = None
    actor: str = SYSTEM


class EndListener(Protocol):
    """Is told of every end: webhooks."""

    def ended(self, session: Session, job: str, event: WebhookEvent, body: str) -> None:
        """Note, in the transaction that ends a job, that others are to be told; `body` is canonical JSON."""

    def forget(self, session: Session, job: str) -> None:
        """Note, in the transaction that deletes a job, that what is not due any more need not be kept."""


class Farewell:
    """Ends and removes jobs. Its methods run in a writing transaction and return blobs to delete once that counts."""

    def __init__(self, keep: float, listener: EndListener | None = None) -> None:
        """`keep`: seconds until an ended job is deleted."""
        self._keep, self._listener = keep, listener

    def end(self, session: Session, row: JobRow, ending: Ending, now: float) -> list[str]:
        """Put a job into a final state. Its units go, and its upload unless another job needs it."""
        row.state, row.reason, row.ended, row.expires = ending.state, ending.reason, now, now + self._keep
        row.lease = row.lease_until = row.worker = row.seconds_left = None
        if ending.state is JobState.DONE:
            row.progress = 1.0
        upload, row.upload = row.upload, None
        session.flush()
        blobs = [] if upload is None or needed(session, upload) else _without(session, upload)
        if row.phase != JobPhase.WHOLE:
            blobs += remove_units(session, row.id)
        record(
            session,
            AuditEntry(
                AuditAction.RESULT,
                ending.actor,
                job=row.id,
                input_sha256=row.input_sha256,
                output_sha256=row.result_sha256,
                engine=row.engine,
                outcome="ok" if ending.state is JobState.DONE else ending.reason or ending.state.value,
            ),
            now,
        )
        if self._listener is not None:
            event = WebhookEvent(f"job.{ending.state.value}")
            made = None if row.result_sha256 is None else (row.result_bytes or 0, row.result_sha256)
            self._listener.ended(
                session, row.id, event, event_body(event, row.id, now, reason=ending.reason, result=made)
            )
        return blobs

    def remove(self, session: Session, row: JobRow) -> list[str]:
        """Delete a job's row, and the files that only it has."""
        names = [name for name in (row.result, row.report, row.masks) if name is not None]
        if self._listener is not None:
            self._listener.forget(session, row.id)
        session.delete(row)
        session.flush()
        return released(session, names)


def released(session: Session, names: list[str]) -> list[str]:
    """Those of these blobs that no job refers to."""
    held = set[str | None]()
    for row in session.scalars(
        select(JobRow).where(or_(JobRow.result.in_(names), JobRow.report.in_(names), JobRow.masks.in_(names)))
    ):
        held |= {row.result, row.report, row.masks}
    return [name for name in names if name not in held]


def _without(session: Session, upload: str) -> list[str]:
    row = session.get(UploadRow, upload)
    return [] if row is None else remove_upload(session, row)
