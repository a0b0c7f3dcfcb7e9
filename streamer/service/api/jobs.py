"""Jobs over HTTP: submitted, listed, followed, fetched, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import PurePath
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from streamer.service.access.caller import Caller, Role
from streamer.service.api.events import JobEvents
from streamer.service.api.job_json import JobJson, JobList, JobRequest, job_json
from streamer.service.http.callers import CallerOf, needs
from streamer.service.http.downloads import Download, send_file
from streamer.service.http.problems import ProblemError
from streamer.service.jobs.job import Job, JobState
from streamer.service.jobs.jobs import Jobs
from streamer.service.jobs.step import StepId, StepKind
from streamer.service.store.blobs import Blobs
from streamer.service.work.task import MEDIA_TYPES

_ENDINGS: Final = {media_type: suffix for suffix, media_type in MEDIA_TYPES.items()}
_NOTE_EVERY: Final = 600.0  # seconds in which a player's many ranges are one download
_NOTED: Final = 1000

Blob = Callable[[Job], str | None]
"""Which of a job's files."""
Submitter = Annotated[Caller, Depends(needs(Role.SUBMIT))]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern="^[ -~]+$")]


def job_routes(
    jobs: Jobs, blobs: Blobs, ring: Callable[[StepId], None], leaving: Callable[[], bool] = lambda: False
) -> APIRouter:
    """`/v1/jobs` and all below. `ring` wakes workers; `leaving`: whether the server is about to stop."""
    router = APIRouter(tags=["jobs"])
    events = JobEvents(leaving)
    noted = _Noted(jobs)

    @router.post("/v1/jobs", status_code=202, response_model=JobJson)
    async def submit(body: JobRequest, caller: Submitter, response: Response, key: Key = None) -> JobJson:
        """Have an upload masked. Once this is answered, the job is never lost.

        The same `Idempotency-Key` with the same request gives the same job: send it again if no answer came.
        """
        made = await run_in_threadpool(jobs.submit, caller, body.upload, body.settings, key, body.webhook)
        ring(StepId(made.job.id, StepKind.WHOLE))
        response.headers["Location"] = f"/v1/jobs/{made.job.id}"
        return job_json(made.job, made.webhook_secret)

    @router.get("/v1/jobs", response_model=JobList)
    async def listing(
        caller: CallerOf,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
        everyone: Annotated[bool, Query(alias="all")] = False,
    ) -> JobList:
        """The caller's jobs, the newest first; `all`: everybody's, for operators."""
        if everyone and not caller.may(Role.OPERATE):
            raise ProblemError(403, f"this needs a token with the role {Role.OPERATE}")
        found = await run_in_threadpool(jobs.list, caller, limit, before, everyone)
        return JobList(jobs=[job_json(job) for job in found], next=found[-1].id if len(found) == limit else None)

    @router.get("/v1/jobs/{job}", response_model=JobJson)
    async def get(job: str, caller: CallerOf) -> JobJson:
        """A job as it is now."""
        return job_json(await run_in_threadpool(jobs.get, caller, job))

    @router.get("/v1/jobs/{job}/events", response_class=StreamingResponse, responses=_EVENTS)
    async def follow(job: str, caller: CallerOf) -> Response:
        """Server-sent events: `job` with the job as JSON whenever it changes, `gone` if it was deleted."""
        await run_in_threadpool(jobs.get, caller, job)
        stream = await events.stream(partial(jobs.get, caller, job))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, headers=headers, media_type="text/event-stream")

    @router.api_route("/v1/jobs/{job}/result", methods=["HEAD"], include_in_schema=False)
    @router.get("/v1/jobs/{job}/result", responses=_FILE)
    async def result(request: Request, job: str, caller: CallerOf, inline: bool = False) -> Response:
        """The masked file, whole or in ranges; `inline`: to be shown, not saved."""
        found = await run_in_threadpool(jobs.own, caller, job)
        if found.result is None:
            raise ProblemError(409, _why_no_result(found))
        ending = _ENDINGS.get(found.result.media_type, "")
        name = str(PurePath(f"masked-{found.id[:8]}").with_suffix(ending))
        file = Download(found.result.blob, found.result.bytes, found.result.media_type, name, found.result.sha256[:32])
        answer = await run_in_threadpool(send_file, request, blobs, file, inline)
        if request.method == "GET":
            await run_in_threadpool(noted.note, caller, found, "result")
        return answer

    async def beside(request: Request, caller: Caller, job: str, blob: Blob, kind: str, name: str) -> Response:
        """A file besides the result. Its entry has no hash of a result: that one was not fetched."""
        found = await run_in_threadpool(jobs.own, caller, job)
        answer = await run_in_threadpool(_beside, request, blobs, found, blob(found), kind, name)
        if request.method == "GET":
            await run_in_threadpool(noted.note, caller, replace(found, result=None), name)
        return answer

    @router.api_route("/v1/jobs/{job}/report", methods=["HEAD"], include_in_schema=False)
    @router.get("/v1/jobs/{job}/report", responses=_FILE)
    async def report(request: Request, job: str, caller: CallerOf) -> Response:
        """What was done, as JSON (see `docs/report.schema.json`)."""
        return await beside(request, caller, job, lambda found: found.report, "application/json", "report.json")

    @router.api_route("/v1/jobs/{job}/masks", methods=["HEAD"], include_in_schema=False)
    @router.get("/v1/jobs/{job}/masks", responses=_FILE)
    async def masks(request: Request, job: str, caller: CallerOf) -> Response:
        """Which areas of which frames were masked, if `masks` was set: lines of JSON (`docs/masks.schema.json`)."""
        return await beside(request, caller, job, lambda found: found.masks, "application/x-ndjson", "masks.jsonl")

    @router.delete("/v1/jobs/{job}", status_code=204)
    async def delete(job: str, caller: CallerOf) -> Response:
        """Cancel a job that has not ended; delete one that has. Either way its files go at once."""
        await run_in_threadpool(jobs.delete, caller, job)
        return Response(status_code=204)

    return router


_FILE: Final[dict[int | str, dict[str, object]]] = {
    200: {"content": {"*/*": {}}, "description": "The file"},
    206: {"content": {"*/*": {}}, "description": "A range of it"},
}
_EVENTS: Final[dict[int | str, dict[str, object]]] = {200: {"content": {"text/event-stream": {}}}}


def _why_no_result(job: Job) -> str:
    if job.state is JobState.FAILED:
        return f"the job failed: {job.reason}"
    return "the job has not ended" if job.active else f"the job was {job.state.value}"


def _beside(request: Request, blobs: Blobs, job: Job, blob: str | None, kind: str, name: str) -> Response:
    if blob is None:
        raise ProblemError(409 if job.active else 404, "the job has not ended" if job.active else f"there is no {name}")
    size = blobs.size(blob)
    return send_file(request, blobs, Download(blob, size, kind, f"{job.id[:8]}-{name}", blob), inline=False)


class _Noted:
    """Notes downloads in the audit log, once for all ranges that a player fetches within a while."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs, self._last = jobs, dict[tuple[str, str, str | None, str], float]()

    def note(self, caller: Caller, job: Job, file: str) -> None:
        now, key = time.monotonic(), (caller.owner, job.id, caller.address, file)
        if now - self._last.get(key, float("-inf")) < _NOTE_EVERY:
            return
        self._jobs.note_download(caller, job)
        if len(self._last) >= _NOTED:
            self._last.clear()
        self._last[key] = now
