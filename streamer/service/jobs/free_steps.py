"""Which steps can be claimed: a question to the database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from streamer.service.jobs.job import ACTIVE, JobState
from streamer.service.jobs.step import JobPhase, StepId, StepKind
from streamer.service.store.tables import JobRow, UnitRow

LEASE: Final = 60.0
"""Seconds that a claim lasts without a sign of life."""
LONGEST_PAUSE: Final = 600.0
"""Seconds until a step that was put off is tried again, at most."""

_Time = InstrumentedAttribute[float | None]


def free_unit(now: float) -> ColumnElement[bool]:
    """Whether a unit can be claimed."""
    unclaimed = or_(UnitRow.lease.is_(None), _dead(UnitRow.lease_until, now))
    return and_(UnitRow.blob.is_(None), unclaimed, _due(UnitRow.not_before, now))


def free_job(now: float) -> ColumnElement[bool]:
    """Whether some step of a job can be claimed."""
    running, due, dead = JobRow.state == JobState.RUNNING, _due(JobRow.not_before, now), _dead(JobRow.lease_until, now)
    unclaimed = or_(and_(JobRow.lease.is_(None), due), dead)
    free = or_(
        and_(JobRow.state == JobState.QUEUED, due),
        and_(running, JobRow.phase == JobPhase.WHOLE, dead),
        and_(running, JobRow.phase == JobPhase.JOIN, unclaimed),
        and_(running, JobRow.phase == JobPhase.UNITS, exists().where(UnitRow.job == JobRow.id, free_unit(now))),
    )
    return and_(JobRow.state.in_(ACTIVE), free)  # said once more for the index: most jobs have ended


def free_steps(session: Session, now: float, most: int, job: str | None = None) -> list[StepId]:
    """Steps that can be claimed, at most so many, the next ones first; only those of one job if it is given."""
    query = select(JobRow.id, JobRow.phase).where(free_job(now)).order_by(JobRow.setbacks, JobRow.number).limit(most)
    if job is not None:
        query = query.where(JobRow.id == job)
    found = list[StepId]()
    for name, phase in session.execute(query):
        if len(found) >= most:
            break
        if phase != JobPhase.UNITS:
            found.append(StepId(name, StepKind(phase)))
            continue
        units = select(UnitRow.number).where(UnitRow.job == name, free_unit(now))
        numbers = session.scalars(units.order_by(UnitRow.setbacks, UnitRow.number).limit(most - len(found)))
        found += [StepId(name, StepKind.UNIT, number) for number in numbers]
    return found


def step_counts(session: Session, now: float) -> dict[tuple[StepKind, bool], int]:
    """Steps of each kind that somebody works on (True), and that wait (False)."""
    counts = {(kind, at_work): 0 for kind in StepKind for at_work in (True, False)}
    work = and_(JobRow.lease.is_not(None), JobRow.lease_until >= now)
    jobs = select(JobRow.phase, func.count(), func.sum(case((work, 1), else_=0))).where(JobRow.state.in_(ACTIVE))
    for phase, count, at_work in session.execute(jobs.where(JobRow.phase != JobPhase.UNITS).group_by(JobRow.phase)):
        counts[StepKind(phase), True], counts[StepKind(phase), False] = at_work, count - at_work
    work = and_(UnitRow.lease.is_not(None), UnitRow.lease_until >= now)
    units = select(func.count(), func.sum(case((work, 1), else_=0))).where(UnitRow.blob.is_(None))
    count, at_work = session.execute(units).one()
    counts[StepKind.UNIT, True], counts[StepKind.UNIT, False] = at_work or 0, count - (at_work or 0)
    return counts


def _dead(lease_until: _Time, now: float) -> ColumnElement[bool]:
    """A lease that ends later than any can: the clock was set back, and says nothing about this one."""
    return or_(lease_until < now, lease_until > now + 2 * LEASE)


def _due(not_before: _Time, now: float) -> ColumnElement[bool]:
    return or_(not_before.is_(None), not_before <= now, not_before > now + 2 * LONGEST_PAUSE)
