"""Jobs and uploads as JSON."""

from __future__ import annotations

import json

from pydantic import BaseModel, Field, JsonValue, ValidationError

from streamer.service.http.times import rfc3339
from streamer.service.jobs.job import Job, JobState
from streamer.service.jobs.settings import JobSettings, WebhookRequest
from streamer.service.jobs.uploads import Upload


class UploadJson(BaseModel):
    """An upload. `sha256` is null until it is complete."""

    id: str
    bytes: int
    sha256: str | None


class JobRequest(BaseModel):
    """A job to be done."""

    model_config = {"extra": "forbid"}

    upload: str = Field(pattern="^[0-9a-f]{32}$")
    settings: JobSettings = JobSettings()
    webhook: WebhookRequest | None = None


class ResultJson(BaseModel):
    """The masked file of a job."""

    type: str
    bytes: int
    sha256: str


class JobJson(BaseModel):
    """A job. Times are RFC 3339, UTC; `place` is 1 for the next one that begins; `progress` from 0 to 1."""

    id: str
    state: JobState
    place: int | None
    progress: float
    seconds_left: float | None
    created: str
    started: str | None
    ended: str | None
    expires: str | None
    reason: str | None
    settings: dict[str, JsonValue]
    result: ResultJson | None
    report: bool
    masks: bool
    webhook_secret: str | None = None
    """Only in the answer that takes the job in: what signatures of its webhook are checked with."""


class JobList(BaseModel):
    """The newest jobs first. `next`: give it as `before` to get those before; null if there are none."""

    jobs: list[JobJson]
    next: str | None


def upload_json(upload: Upload) -> UploadJson:
    """An upload as it is shown."""
    return UploadJson(id=upload.id, bytes=upload.received, sha256=upload.sha256)


def job_json(job: Job, webhook_secret: str | None = None) -> JobJson:
    """A job as it is shown: nothing that its owner has not sent, and no names of blobs."""
    result = job.result
    return JobJson(
        id=job.id,
        state=job.state,
        place=job.place,
        progress=round(job.progress, 4),
        seconds_left=job.seconds_left,
        created=rfc3339(job.created),
        started=_time(job.started),
        ended=_time(job.ended),
        expires=_time(job.expires),
        reason=job.reason,
        settings=_settings(job.settings),
        result=None if result is None else ResultJson(type=result.media_type, bytes=result.bytes, sha256=result.sha256),
        report=job.report is not None,
        masks=job.masks is not None,
        webhook_secret=webhook_secret,
    )


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)


def _settings(text: str) -> dict[str, JsonValue]:
    """All that could be chosen; for a job of another version, what was."""
    chosen: dict[str, JsonValue] = json.loads(text)
    try:
        return JobSettings.model_validate(chosen).model_dump(mode="json")
    except ValidationError:
        return chosen
