"""The audit log over HTTP, for those who may read it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, JsonValue
from starlette.concurrency import run_in_threadpool

from streamer.service.access.caller import Caller, Role
from streamer.service.audit.reading import KeptEntry, newest_entries
from streamer.service.http.callers import needs
from streamer.service.http.times import rfc3339
from streamer.service.store.database import Database

Auditor = Annotated[Caller, Depends(needs(Role.AUDIT))]


class EntryJson(BaseModel):
    """An entry. `text` is what is kept and chained, `sha256` its hash; the other fields are the same, easier to read.

    `time` is RFC 3339, UTC. What the entry does not say is null.
    """

    number: int
    time: str | None = None
    action: str | None = None
    actor: str | None = None
    address: str | None = None
    upload: str | None = None
    job: str | None = None
    token: str | None = None
    input_sha256: str | None = None
    output_sha256: str | None = None
    settings: dict[str, JsonValue] | None = None
    engine: str | None = None
    outcome: str | None = None
    text: str
    sha256: str


class AuditPage(BaseModel):
    """The newest entries first. `next`: give it as `before` to get those before; null if there are none."""

    entries: list[EntryJson]
    next: int | None


def audit_routes(database: Database) -> APIRouter:
    """`/v1/audit`."""
    router = APIRouter(tags=["audit"])

    @router.get("/v1/audit", response_model=AuditPage)
    async def entries(
        _: Auditor,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
    ) -> AuditPage:
        """Who did what to which file, by ids and hashes. Reading it is not noted in it."""
        found = await run_in_threadpool(newest_entries, database, limit, before)
        more = len(found) == limit and found[-1].number > 1
        return AuditPage(entries=[_json(entry) for entry in found], next=found[-1].number if more else None)

    return router


def _json(kept: KeptEntry) -> EntryJson:
    """Also of an entry that somebody has damaged: then there is its text alone."""
    bare = {"number": kept.number, "text": kept.text, "sha256": kept.sha256}
    with suppress(ValueError, TypeError, KeyError, OverflowError):
        said = json.loads(kept.text)
        return EntryJson.model_validate({**said, "time": rfc3339(said["time"]), **bare})
    return EntryJson.model_validate(bare)
