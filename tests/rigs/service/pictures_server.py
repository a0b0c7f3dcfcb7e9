"""The pictures part of the service behind a real uvicorn, with a caller who is whoever the header `Owner` says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from sqlalchemy import select

from streamer.service.access.caller import Caller, Role
from streamer.service.api.docs import docs_routes
from streamer.service.api.metrics import ServiceCollector, metrics_routes
from streamer.service.api.pictures import pictures_routes
from streamer.service.http.body import BodyBudget
from streamer.service.http.problems import PROBLEMS, errors_are_problems
from streamer.service.pictures.cache import PictureCache
from streamer.service.pictures.pool import PicturePool
from streamer.service.pictures.worker import COMMAND, ProcessLimits
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from streamer.service.store.tables import AuditRow
from streamer.settings.file import Settings
from tests.rigs.uvicorn_server import uvicorn_serving


@dataclass(frozen=True)
class PicturesServer:
    """What a test wants to look at."""

    url: str
    pool: PicturePool
    database: Database
    budget: BodyBudget
    roles: set[Role] = field(default_factory=lambda: {Role.SUBMIT, Role.OPERATE})

    @property
    def pictures(self) -> str:
        return f"{self.url}/v1/pictures"

    def entries(self) -> list[str]:
        with self.database.reading() as session:
            return list(session.scalars(select(AuditRow.entry).order_by(AuditRow.number)))


@contextmanager
def serving_pictures(
    folder: Path,
    *,
    workers: int = 1,
    waiting: int = 4,
    keep: float = 60,
    max_bytes: int = 20_000_000,
    limits: ProcessLimits | None = None,
    command: Sequence[str] = COMMAND,
) -> Iterator[PicturesServer]:
    database = Database.in_file(folder / "jobs.db")
    database.migrate()
    pool = PicturePool(workers, waiting, limits=limits, command=command)
    cache = PictureCache(database, Blobs.in_folder(folder / "blobs"), time.time, keep)
    budget = BodyBudget(200_000_000)
    roles = {Role.SUBMIT, Role.OPERATE}

    async def let_in(request: Request) -> None:
        request.state.caller = Caller(request.headers.get("Owner", "me"), frozenset(roles), "192.0.2.1")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await pool.start()
        yield
        await pool.close()

    app = FastAPI(
        lifespan=lifespan,
        dependencies=[Depends(let_in)],
        responses=PROBLEMS,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    errors_are_problems(app)
    app.include_router(pictures_routes(pool, cache, Settings(), max_bytes=max_bytes, budget=budget))
    app.include_router(metrics_routes(ServiceCollector(pool.counts, lambda: {"queued": 3}, dict)))
    app.include_router(docs_routes())
    with uvicorn_serving(app) as url:
        yield PicturesServer(url, pool, database, budget, roles)
    database.close()
