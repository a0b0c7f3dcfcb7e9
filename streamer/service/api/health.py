"""Whether the service lives, and whether it can take work: for load balancers, containers and people."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response


def health_routes(checks: Mapping[str, Callable[[], bool]]) -> APIRouter:
    """`/healthz`: the server answers. `/readyz`: every check passes; which ones do not is in the answer."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def alive() -> dict[str, str]:
        """The server answers."""
        return {"status": "alive"}

    @router.get("/readyz", responses={503: {"description": "Something is not as it must be"}})
    async def ready() -> Response:
        """The server can take work; 503 with what it lacks if it cannot."""
        failed = [name for name, check in checks.items() if not await run_in_threadpool(_passes, check)]
        return JSONResponse({"ready": not failed, "failed": failed}, 503 if failed else 200)

    return router


def _passes(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001 - whatever it is, this is not ready
        return False
