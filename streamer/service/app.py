"""The service's HTTP application, put together from its parts. It starts nothing: whoever makes it owns the parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from streamer.http.body_cap import BodyCap
from streamer.http.known_proxies import KnownProxies, ProxyNetwork
from streamer.http.protection import SecurityHeaders
from streamer.live.web.site import LiveSite
from streamer.service.access.admission import AccessGate
from streamer.service.access.decision import AccessRules
from streamer.service.access.tokens import Tokens
from streamer.service.api.audit import audit_routes
from streamer.service.api.docs import docs_routes
from streamer.service.api.health import health_routes
from streamer.service.api.jobs import job_routes
from streamer.service.api.metrics import ServiceCollector, metrics_routes
from streamer.service.api.pictures import pictures_routes
from streamer.service.api.sessions import session_routes
from streamer.service.api.settings import settings_routes
from streamer.service.api.tokens import token_routes
from streamer.service.api.uploads import upload_routes
from streamer.service.cameras import camera_routes
from streamer.service.http.body import BodyBudget
from streamer.service.http.problems import PROBLEMS, errors_are_problems, http_problem, phrase, problem
from streamer.service.jobs.errors import ConflictError, InvalidError, NotFoundError, QuotaError, TooMuchError
from streamer.service.jobs.jobs import Jobs
from streamer.service.jobs.step import StepId, StepKind
from streamer.service.jobs.uploads import Uploads
from streamer.service.page.page import PAGE_HEADERS, not_found_page, page_routes
from streamer.service.pictures.cache import PictureCache
from streamer.service.pictures.far import PictureMasker
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from streamer.settings.file import Settings

SMALL_BODY: Final = 64 * 1024
"""Bytes of a request's body, except for pictures and uploads."""
LARGE_BODIES: Final = ("/v1/pictures", "/v1/uploads")

_STATUSES: Final[Mapping[type[Exception], int]] = {
    NotFoundError: 404,
    ConflictError: 409,
    TooMuchError: 413,
    InvalidError: 422,
    QuotaError: 429,
}


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """What the application is made of. `site`: what is shown of cameras, if there are any; `leaving`: whether the
    server is about to stop."""

    database: Database
    blobs: Blobs
    rules: AccessRules
    tokens: Tokens
    uploads: Uploads
    jobs: Jobs
    pool: PictureMasker
    cache: PictureCache
    base: Settings
    picture_bytes: int
    ring: Callable[[StepId], None]
    steps: Callable[[], Mapping[tuple[StepKind, bool], int]]
    checks: Mapping[str, Callable[[], bool]]
    leaving: Callable[[], bool]
    site: LiveSite | None = None
    proxies: tuple[ProxyNetwork, ...] = ()


def service_app(parts: ServiceParts) -> ASGIApp:
    """The application: who may in, what they find there, and the same headers on every answer."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, responses=PROBLEMS)
    errors_are_problems(app, _STATUSES)
    app.add_exception_handler(OSError, _no_storage)
    app.add_exception_handler(HTTPException, _page_or_problem)
    budget = BodyBudget(8 * parts.picture_bytes)
    collector = ServiceCollector(parts.pool.counts, parts.jobs.counts, parts.steps)
    for router in (
        pictures_routes(parts.pool, parts.cache, parts.base, max_bytes=parts.picture_bytes, budget=budget),
        upload_routes(parts.uploads),
        job_routes(parts.jobs, parts.blobs, parts.ring, parts.leaving),
        settings_routes(parts.uploads.max_bytes, parts.picture_bytes),
        session_routes(parts.rules),
        token_routes(parts.tokens),
        audit_routes(parts.database),
        health_routes(parts.checks),
        metrics_routes(collector),
        docs_routes(),
        page_routes(),
        camera_routes(parts.site),
    ):
        app.include_router(router)
    guarded = AccessGate(BodyCap(app, SMALL_BODY, LARGE_BODIES), parts.rules)
    return KnownProxies(SecurityHeaders(guarded, PAGE_HEADERS), parts.proxies)


async def _no_storage(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if isinstance(error, FileNotFoundError) and request.method in ("GET", "HEAD"):  # it expired a moment ago
        return problem(404, phrase(404), "it is gone: it has expired or was deleted")
    why = (error.strerror or "no storage").lower()
    return problem(507, phrase(507), f"it cannot be stored at the moment: {why}; nothing was kept of it")


async def _page_or_problem(request: Request, error: Exception) -> Response:
    """For people who have mistyped an address a page of the site, for programs a problem document."""
    assert isinstance(error, HTTPException)
    asks_for_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
    if error.status_code == 404 and asks_for_page and request.method in ("GET", "HEAD"):
        return Response(not_found_page(), 404, headers=PAGE_HEADERS, media_type="text/html; charset=utf-8")
    return await http_problem(request, error)
