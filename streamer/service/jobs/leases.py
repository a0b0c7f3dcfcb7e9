"""Jobs as workers see them: each step claimed for a while under a token, and only that token's work counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from streamer.service.audit.entry import SYSTEM, AuditAction, AuditEntry
from streamer.service.audit.log import record
from streamer.service.jobs.ending import Ending, Farewell
from streamer.service.jobs.free_steps import LEASE as LEASE  # said here, too: it is the leases' own
from streamer.service.jobs.free_steps import LONGEST_PAUSE, free_job, free_steps, free_unit, step_counts
from streamer.service.jobs.job import JobState
from streamer.service.jobs.step import Claim, Cut, JobPhase, Output, StepId, StepKind
from streamer.service.jobs.units import OF_UNITS, all_done, cut_into_units, note_progress, remove_units, unit_blobs
from streamer.service.jobs.uploads import Clock, part_blobs
from streamer.service.store.blobs import Blobs, new_id
from streamer.service.store.database import Database, UncertainError
from streamer.service.store.tables import JobRow, UnitRow

ATTEMPTS: Final = 3
SETBACKS: Final = 40
"""A step that is put off or interrupted more often fails: it may be what ends the server, or fills the disk."""

_Holder = JobRow | UnitRow
"""What a lease is written in: a unit's own row, or for all other steps that of the job."""
_Finish = Callable[[JobRow, _Holder, Session, float], list[str]]


class Leases:
    """Claims on steps. Thread-safe; any number of workers in any number of processes may share a database."""

    def __init__(self, database: Database, blobs: Blobs, farewell: Farewell, clock: Clock | None = None) -> None:
        self._database, self._blobs, self._farewell, self._clock = database, blobs, farewell, clock or database.now

    def claim(self, worker: str) -> Claim | None:
        """Claim the next step of the oldest job that has one; None if there is none.

        A step waits, or its worker gives no sign of life. Those with setbacks come after all others. One that was
        claimed `ATTEMPTS` times without an end fails, and its job with it: it would only take more workers with it.
        """
        blobs, found = list[str](), None
        with self._database.writing() as session:
            now = self._clock()
            first = select(JobRow).where(free_job(now)).order_by(JobRow.setbacks, JobRow.number).limit(20)
            for row in session.scalars(first):
                holder: _Holder | None = row
                if row.phase == JobPhase.UNITS:
                    units = select(UnitRow).where(UnitRow.job == row.id, free_unit(now))
                    holder = session.scalar(units.order_by(UnitRow.setbacks, UnitRow.number).limit(1))
                if holder is None:
                    continue
                reason = _exhausted(holder)
                if reason is not None:
                    blobs += self._farewell.end(session, row, Ending(JobState.FAILED, reason), now)
                    continue
                found = _claimed(session, row, holder, worker, now)
                break
        self._blobs.discard(*blobs)
        return found

    def free(self, most: int, job: str | None = None) -> list[StepId]:
        """Steps that can be claimed, at most so many, the next ones first; only those of one job if it is given."""
        now = self._clock()
        with self._database.reading() as session:
            return free_steps(session, now, most, job)

    def counts(self) -> dict[tuple[StepKind, bool], int]:
        """Steps of each kind that somebody works on (True), and that wait (False)."""
        now = self._clock()
        with self._database.reading() as session:
            return step_counts(session, now)

    def beat(self, claim: Claim, progress: float, seconds_left: float | None) -> bool:
        """Say that work goes on, and how far it is. False: the step is no longer this worker's, which must stop."""

        def note(row: JobRow, holder: _Holder, session: Session, now: float) -> list[str]:
            holder.lease_until = now + LEASE
            if claim.kind is StepKind.UNIT:
                holder.progress = progress
                session.flush()
                note_progress(session, row, now)
            else:
                before = OF_UNITS if claim.kind is StepKind.JOIN else 0.0
                row.progress, row.seconds_left = before + (1 - before) * progress, seconds_left
            return []

        return self._change(claim, note)

    def at_work(self, workers: str) -> bool:
        """Whether any worker whose name begins like this has a claim."""
        with self._database.reading() as session:
            units = select(UnitRow.number).where(UnitRow.worker.startswith(workers, autoescape=True))
            running = JobRow.state == JobState.RUNNING
            jobs = select(JobRow.number).where(running, JobRow.worker.startswith(workers, autoescape=True))
            return any(session.scalar(query.limit(1)) is not None for query in (units, jobs))

    def held(self, claim: Claim) -> bool:
        """Whether the step is still this worker's: not cancelled, not claimed by another one."""
        with self._database.reading() as session:
            return _held(session, claim) is not None

    def running(self, jobs: Iterable[str]) -> set[str]:
        """Those of these jobs that somebody works on, or that wait between two steps."""
        with self._database.reading() as session:
            query = select(JobRow.id).where(JobRow.id.in_(list(jobs)), JobRow.state == JobState.RUNNING)
            return set(session.scalars(query))

    def publish(self, claim: Claim, output: Output) -> bool:
        """Store the result and end the job. False: it is no longer this worker's, and nothing was published.

        Raises OSError if the files cannot be stored; the claim then still stands.
        """

        def finish(row: JobRow, stored: dict[str, str], session: Session, now: float) -> list[str]:
            row.result, row.report, row.masks = stored["result"], stored.get("report"), stored.get("masks")
            row.result_type, row.result_bytes, row.result_sha256 = output.media_type, output.bytes, output.sha256
            row.engine = output.engine or row.engine
            if output.checked is not None:
                said = AuditEntry(AuditAction.VERIFY, SYSTEM, job=row.id, outcome=output.checked)
                record(session, replace(said, output_sha256=output.sha256), now)
            return self._farewell.end(session, row, Ending(JobState.DONE), now)

        files = {"result": output.result, **output.others}
        return self._store(claim, files, lambda row, _, stored, session, now: finish(row, stored, session, now))

    def publish_unit(self, claim: Claim, unit: Path) -> bool:
        """Store a masked unit; the last one lets the job be joined. False: it is no longer this worker's.

        Raises as `publish` does.
        """

        def finish(row: JobRow, holder: _Holder, stored: dict[str, str], session: Session, now: float) -> list[str]:
            assert isinstance(holder, UnitRow)
            _release(row, holder)
            holder.blob, holder.progress, holder.reason = stored["unit"], 1.0, None
            session.flush()
            note_progress(session, row, now)
            if all_done(session, row.id):
                row.phase, row.attempts, row.not_before, row.reason = JobPhase.JOIN, 0, None, None
            return []

        return self._store(claim, {"unit": unit}, finish)

    def cut(self, claim: Claim, cut: Cut) -> bool:
        """The job is done in units from now on. False: it is no longer this worker's."""

        def finish(row: JobRow, holder: _Holder, session: Session, _now: float) -> list[str]:
            _release(row, holder)
            row.state, row.attempts, row.not_before, row.reason = JobState.RUNNING, 0, None, None
            cut_into_units(session, row, cut)
            return []

        return self._change(claim, finish)

    def uncut(self, claim: Claim, reason: str) -> bool:
        """The job is done whole, without its units: they do not fit together. False: no longer this worker's."""

        def finish(row: JobRow, holder: _Holder, session: Session, _now: float) -> list[str]:
            _release(row, holder)
            session.flush()
            blobs = remove_units(session, row.id)
            row.phase, row.state, row.attempts = JobPhase.WHOLE, JobState.QUEUED, 0
            row.progress, row.seconds_left, row.reason = 0.0, None, reason
            return blobs

        return self._change(claim, finish)

    def fail(self, claim: Claim, reason: str, again: bool) -> bool:
        """Note that an attempt failed; `again`: it may go better next time. False: no longer this worker's."""

        def finish(row: JobRow, holder: _Holder, session: Session, now: float) -> list[str]:
            if not again or holder.attempts >= ATTEMPTS:
                return self._farewell.end(session, row, Ending(JobState.FAILED, reason), now)
            _release(row, holder)
            holder.reason = reason
            return []

        return self._change(claim, finish)

    def give_back(self, claim: Claim) -> bool:
        """Let another worker have the step: this one stops. It does not count as an attempt."""

        def finish(row: JobRow, holder: _Holder, _session: Session, _now: float) -> list[str]:
            _release(row, holder)
            holder.attempts -= 1
            return []

        return self._change(claim, finish)

    def put_off(self, claim: Claim, reason: str) -> bool:
        """Try again later: the machine lacks something. Not an attempt, but others come first from now on."""

        def finish(row: JobRow, holder: _Holder, _session: Session, now: float) -> list[str]:
            _release(row, holder)
            holder.attempts -= 1
            holder.reason = reason
            _set_back(holder, now)
            return []

        return self._change(claim, finish)

    def recover(self) -> int:
        """Let every step that is being worked on wait again; returns how many. Only if no worker can be alive.

        That does not count as an attempt: it was the server that died, not the step's own process. But it may have died
        of this step, so others come first from now on.
        """
        with self._database.writing() as session:
            now = self._clock()
            claimed = (JobRow.state == JobState.RUNNING) & JobRow.lease.is_not(None)
            rows: list[tuple[JobRow, _Holder]] = [(row, row) for row in session.scalars(select(JobRow).where(claimed))]
            units = select(JobRow, UnitRow).join(UnitRow, UnitRow.job == JobRow.id)
            rows += [(row, unit) for row, unit in session.execute(units.where(UnitRow.lease.is_not(None)))]
            for row, holder in rows:
                _release(row, holder)
                holder.attempts -= 1
                _set_back(holder, now)
        return len(rows)

    def _store(
        self,
        claim: Claim,
        files: dict[str, Path],
        finish: Callable[[JobRow, _Holder, dict[str, str], Session, float], list[str]],
    ) -> bool:
        """Store files and note them in one transaction if the claim still stands; if not, they are deleted again."""
        stored, done = dict[str, str](), False
        try:
            for name, path in files.items():
                stored[name] = self._blobs.put(path)
            done = self._change(claim, lambda row, holder, session, now: finish(row, holder, stored, session, now))
            return done
        except UncertainError:  # if it counts, it needs the files; if not, they are orphans
            done = True
            raise
        finally:
            if not done:
                self._blobs.discard(*stored.values())

    def _change(self, claim: Claim, finish: _Finish) -> bool:
        """Run `finish` in one transaction if the claim still stands, then delete the blobs that it returns."""
        with self._database.writing() as session:
            found = _held(session, claim)
            if found is None:
                return False
            blobs = finish(*found, session, self._clock())
        self._blobs.discard(*blobs)
        return True


def _exhausted(holder: _Holder) -> str | None:
    """Why a step may not be claimed once more."""
    if holder.setbacks >= SETBACKS:
        return holder.reason or f"interrupted {SETBACKS} times"
    if holder.lease is None and holder.attempts >= ATTEMPTS:
        return holder.reason or f"its process died {ATTEMPTS} times"
    return None


def _claimed(session: Session, row: JobRow, holder: _Holder, worker: str, now: float) -> Claim:
    lease = new_id()
    if holder.lease is None:
        holder.attempts += 1
    else:  # that worker was killed, or cut off: no fault of the step, whose own process would have told
        holder.setbacks += 1
    holder.lease, holder.lease_until, holder.worker = lease, now + LEASE, worker[:64]
    row.state, row.started = JobState.RUNNING, now if row.started is None else row.started
    unit = holder if isinstance(holder, UnitRow) else None
    if unit is not None:
        unit.progress = 0.0
    elif row.phase == JobPhase.WHOLE:
        row.progress, row.seconds_left = 0.0, None
    return Claim(
        row.id,
        lease,
        holder.attempts,
        () if row.upload is None else tuple(part_blobs(session, row.upload)),
        row.input_sha256,
        row.input_bytes,
        row.settings,
        row.base,
        StepKind.UNIT if unit is not None else StepKind(row.phase),
        None if unit is None else unit.number,
        None if unit is None else unit.span,
        tuple(unit_blobs(session, row.id)) if row.phase == JobPhase.JOIN else (),
        row.plan,
        holder.setbacks,
    )


def _held(session: Session, claim: Claim) -> tuple[JobRow, _Holder] | None:
    """The rows of a claim that still stands."""
    if claim.kind is StepKind.UNIT:
        own = (UnitRow.job == claim.job, UnitRow.number == claim.number, UnitRow.lease == claim.lease)
        found = session.execute(select(JobRow, UnitRow).join(UnitRow, UnitRow.job == JobRow.id).where(*own)).first()
        return None if found is None else (found[0], found[1])
    row = session.scalar(select(JobRow).where(JobRow.id == claim.job, JobRow.lease == claim.lease))
    return None if row is None else (row, row)


def _release(row: JobRow, holder: _Holder) -> None:
    """The step waits again. A job that has never been cut is queued then; any other goes on."""
    holder.lease = holder.lease_until = holder.worker = None
    holder.progress = 0.0 if holder is not row or row.phase == JobPhase.WHOLE else holder.progress
    if row.phase == JobPhase.WHOLE:
        row.state, row.seconds_left = JobState.QUEUED, None


def _set_back(holder: _Holder, now: float) -> None:
    """The first two times it may go on at once, then after ever longer pauses."""
    holder.setbacks += 1
    pause = 10.0 * 2 ** min(holder.setbacks - 3, 10)
    holder.not_before = now + min(pause, LONGEST_PAUSE) if holder.setbacks > 2 else None
