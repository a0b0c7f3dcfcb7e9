"""Jobs as workers see them: claimed for a while under a token, published only while that token is the job's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from streamer.service.audit.entry import SYSTEM, AuditAction, AuditEntry
from streamer.service.audit.log import record
from streamer.service.jobs.ending import Ending, Farewell
from streamer.service.jobs.job import JobState
from streamer.service.jobs.uploads import Clock, part_blobs
from streamer.service.store.blobs import Blobs, new_id
from streamer.service.store.database import Database, UncertainError
from streamer.service.store.tables import JobRow

LEASE: Final = 60.0
"""Seconds that a claim lasts without a sign of life."""
ATTEMPTS: Final = 3
SETBACKS: Final = 40
"""A job that is put off or interrupted more often fails: it may be what ends the server, or fills the disk."""
_LONGEST_PAUSE: Final = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that a worker has claimed. `parts` are the blobs of the original, in order; `settings` is JSON."""

    job: str
    lease: str
    attempt: int
    parts: tuple[str, ...]
    input_sha256: str
    input_bytes: int
    settings: str


@dataclass(frozen=True, slots=True)
class Output:
    """What a worker has made of a job: files, and what the masked one is."""

    result: Path
    media_type: str
    bytes: int
    sha256: str
    others: Mapping[str, Path]
    """`report` and `masks`, if there are any."""
    checked: str | None = None
    """What the check of the masked file found, in one line; None if it was not checked."""
    engine: str | None = None
    """Version, weights and settings that made it; None: as the job says."""


class Leases:
    """Claims on jobs. Thread-safe; any number of workers in any number of processes may share a database."""

    def __init__(self, database: Database, blobs: Blobs, farewell: Farewell, clock: Clock | None = None) -> None:
        self._database, self._blobs, self._farewell, self._clock = database, blobs, farewell, clock or database.now

    def claim(self, worker: str) -> Claim | None:
        """Claim the oldest job that waits, or whose worker gives no sign of life; None if there is none.

        Those with setbacks come after all others. A job that was claimed `ATTEMPTS` times without an end fails: it
        would only take more workers with it.
        """
        now, blobs = self._clock(), list[str]()
        found: Claim | None = None
        with self._database.writing() as session:
            # A lease that ends later than any can: the clock was set back, and says nothing about this one.
            dead = or_(JobRow.lease_until < now, JobRow.lease_until > now + 2 * LEASE)
            due = or_(
                JobRow.not_before.is_(None), JobRow.not_before <= now, JobRow.not_before > now + 2 * _LONGEST_PAUSE
            )
            free = or_((JobRow.state == JobState.QUEUED) & due, (JobRow.state == JobState.RUNNING) & dead)
            first = select(JobRow).where(free).order_by(JobRow.setbacks, JobRow.number)
            for row in session.scalars(first.limit(20)):
                if row.setbacks >= SETBACKS:
                    reason = row.reason or f"interrupted {SETBACKS} times"
                    blobs += self._farewell.end(session, row, Ending(JobState.FAILED, reason), now)
                    continue
                if row.attempts >= ATTEMPTS:
                    reason = row.reason or f"its process died {ATTEMPTS} times"
                    blobs += self._farewell.end(session, row, Ending(JobState.FAILED, reason), now)
                    continue
                row.state, row.lease, row.lease_until, row.worker = JobState.RUNNING, new_id(), now + LEASE, worker[:64]
                row.attempts += 1
                row.progress, row.seconds_left = 0.0, None
                row.started = now if row.started is None else row.started
                parts = () if row.upload is None else tuple(part_blobs(session, row.upload))
                found = Claim(row.id, row.lease, row.attempts, parts, row.input_sha256, row.input_bytes, row.settings)
                break
        self._blobs.discard(*blobs)
        return found

    def beat(self, claim: Claim, progress: float, seconds_left: float | None) -> bool:
        """Say that work goes on, and how far it is. False: the job is no longer this worker's, which must stop."""
        with self._database.writing() as session:
            values = {"lease_until": self._clock() + LEASE, "progress": progress, "seconds_left": seconds_left}
            changed = update(JobRow).where(JobRow.id == claim.job, JobRow.lease == claim.lease).values(values)
            return bool(session.execute(changed.returning(JobRow.number)).all())

    def held(self, claim: Claim) -> bool:
        """Whether the job is still this worker's: not cancelled, not claimed by another one."""
        with self._database.reading() as session:
            return session.scalar(select(JobRow.lease).where(JobRow.id == claim.job)) == claim.lease

    def publish(self, claim: Claim, output: Output) -> bool:
        """Store the result and end the job. False: it is no longer this worker's, and nothing was published.

        Raises OSError if the files cannot be stored; the claim then still stands.
        """
        stored = dict[str, str]()
        done = False
        try:
            for name, path in {"result": output.result, **output.others}.items():
                stored[name] = self._blobs.put(path)

            def finish(row: JobRow, session: Session, now: float) -> list[str]:
                row.result, row.report, row.masks = stored["result"], stored.get("report"), stored.get("masks")
                row.result_type, row.result_bytes, row.result_sha256 = output.media_type, output.bytes, output.sha256
                row.engine = output.engine or row.engine
                if output.checked is not None:
                    said = AuditEntry(AuditAction.VERIFY, SYSTEM, job=row.id, outcome=output.checked)
                    record(session, replace(said, output_sha256=output.sha256), now)
                return self._farewell.end(session, row, Ending(JobState.DONE), now)

            done = self._change(claim, finish)
            return done
        except UncertainError:  # if it counts, it needs the files; if not, they are orphans
            done = True
            raise
        finally:
            if not done:
                self._blobs.discard(*stored.values())

    def fail(self, claim: Claim, reason: str, again: bool) -> bool:
        """Note that an attempt failed; `again`: it may go better next time. False: no longer this worker's."""

        def finish(row: JobRow, session: Session, now: float) -> list[str]:
            if not again or row.attempts >= ATTEMPTS:
                return self._farewell.end(session, row, Ending(JobState.FAILED, reason), now)
            _requeue(row)
            row.reason = reason
            return []

        return self._change(claim, finish)

    def give_back(self, claim: Claim) -> bool:
        """Let another worker have the job: this one stops. It does not count as an attempt."""

        def finish(row: JobRow, _session: Session, _now: float) -> list[str]:
            _requeue(row)
            row.attempts -= 1
            return []

        return self._change(claim, finish)

    def put_off(self, claim: Claim, reason: str) -> bool:
        """Try again later: the machine lacks something. Not an attempt, but others come first from now on."""

        def finish(row: JobRow, _session: Session, now: float) -> list[str]:
            _requeue(row)
            row.attempts -= 1
            row.reason = reason
            _set_back(row, now)
            return []

        return self._change(claim, finish)

    def recover(self) -> int:
        """Queue every job that runs again; returns how many. Only for whoever knows that no worker is alive.

        That does not count as an attempt: it was the server that died, not the job's own process. But it may have died
        of this job, so others come first from now on.
        """
        now = self._clock()
        with self._database.writing() as session:
            rows = list(session.scalars(select(JobRow).where(JobRow.state == JobState.RUNNING)))
            for row in rows:
                _requeue(row)
                row.attempts -= 1
                _set_back(row, now)
        return len(rows)

    def _change(self, claim: Claim, finish: Callable[[JobRow, Session, float], list[str]]) -> bool:
        """Run `finish` in one transaction if the claim still stands, then delete the blobs that it returns."""
        with self._database.writing() as session:
            row = session.scalar(select(JobRow).where(JobRow.id == claim.job, JobRow.lease == claim.lease))
            if row is None:
                return False
            blobs = finish(row, session, self._clock())
        self._blobs.discard(*blobs)
        return True


def _requeue(row: JobRow) -> None:
    row.state, row.progress = JobState.QUEUED, 0.0
    row.lease = row.lease_until = row.worker = row.seconds_left = None


def _set_back(row: JobRow, now: float) -> None:
    """The first two times it may go on at once, then after ever longer pauses."""
    row.setbacks += 1
    pause = 10.0 * 2 ** min(row.setbacks - 3, 10)
    row.not_before = now + min(pause, _LONGEST_PAUSE) if row.setbacks > 2 else None
