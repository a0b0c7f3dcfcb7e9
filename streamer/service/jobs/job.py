"""A job as its owner sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from streamer.service.store.tables import JobRow


class JobState(StrEnum):
    """Where a job is on its way."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE: Final = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class JobResult:
    """The masked file of a job. `blob` is its name in the store."""

    blob: str
    media_type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job at one moment. Times in seconds since 1970; `place` is 1 for the next one that begins."""

    id: str
    owner: str
    state: JobState
    place: int | None
    progress: float
    seconds_left: float | None
    created: float
    started: float | None
    ended: float | None
    expires: float | None
    reason: str | None
    settings: str
    input_sha256: str
    input_bytes: int
    result: JobResult | None
    report: str | None
    masks: str | None

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE


def job_of(row: JobRow, place: int | None) -> Job:
    """What a row says."""
    result = None
    if row.result is not None and row.result_type is not None and row.result_sha256 is not None:
        result = JobResult(row.result, row.result_type, row.result_bytes or 0, row.result_sha256)
    return Job(
        id=row.id,
        owner=row.owner,
        state=JobState(row.state),
        place=place,
        progress=row.progress,
        seconds_left=row.seconds_left,
        created=row.created,
        started=row.started,
        ended=row.ended,
        expires=row.expires,
        reason=row.reason,
        settings=row.settings,
        input_sha256=row.input_sha256,
        input_bytes=row.input_bytes,
        result=result,
        report=row.report,
        masks=row.masks,
    )
