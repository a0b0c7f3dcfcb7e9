"""Units of jobs as rows: made when a video is cut, counted while they are done, gone when the job ends."""

from __future__ import annotations

from typing import Final

from sqlalchemy import case, delete, func, insert, select
from sqlalchemy.orm import Session

from streamer.service.jobs.step import Cut, JobPhase
from streamer.service.store.tables import JobRow, UnitRow

OF_UNITS: Final = 0.95
"""Share of the units in a job's progress; the rest is the joining's."""


def cut_into_units(session: Session, row: JobRow, cut: Cut) -> None:
    """From now on the job is done in units. It has no lease itself any more."""
    row.phase, row.plan = JobPhase.UNITS, cut.settings
    rows = [
        {
            "job": row.id,
            "number": number,
            "span": span,
            "share": share,
            "attempts": 0,
            "setbacks": 0,
            "progress": 0.0,
        }
        for number, (span, share) in enumerate(zip(cut.spans, cut.shares, strict=True))
    ]
    session.execute(insert(UnitRow), rows)


def unit_blobs(session: Session, job: str) -> list[str]:
    """The blobs of the units that are done, in order."""
    done = select(UnitRow.blob).where(UnitRow.job == job, UnitRow.blob.is_not(None)).order_by(UnitRow.number)
    return [blob for blob in session.scalars(done) if blob is not None]


def remove_units(session: Session, job: str) -> list[str]:
    """Remove a job's units; returns the blobs that are to be deleted once the transaction counts."""
    blobs = unit_blobs(session, job)
    session.execute(delete(UnitRow).where(UnitRow.job == job))
    return blobs


def all_done(session: Session, job: str) -> bool:
    """Whether no unit of a job is missing."""
    return session.scalar(select(UnitRow.number).where(UnitRow.job == job, UnitRow.blob.is_(None)).limit(1)) is None


def note_progress(session: Session, row: JobRow, now: float) -> None:
    """How far the job is, by what its units say."""
    done = case((UnitRow.blob.is_not(None), 1.0), else_=UnitRow.progress)
    share = session.scalar(select(func.sum(UnitRow.share * done)).where(UnitRow.job == row.id)) or 0.0
    row.progress = OF_UNITS * min(1.0, max(0.0, share))
    begun = now if row.started is None else row.started
    row.seconds_left = round(max(0.0, now - begun) * (1 - row.progress) / row.progress, 1) if share > 0.02 else None
