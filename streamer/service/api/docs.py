"""The OpenAPI document, and a page that shows it and tries it out, made of files of this server alone."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamer.http.protection import PAGE_POLICY
from streamer.service.http.problems import ProblemError
from streamer.version import VERSION

_TITLE: Final = "veilcast"
_TYPES: Final = {
    "docs.js": "text/javascript",
    "docs.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
_SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": "veilcast_session"},
}


def docs_routes() -> APIRouter:
    """`/openapi.json` and `/docs`, for an app that was made with `docs_url=None, redoc_url=None, openapi_url=None`."""
    router = APIRouter(include_in_schema=False)
    read = _files()

    @router.get("/openapi.json")
    async def document(request: Request) -> Response:
        return JSONResponse(openapi(request.app))

    @router.get("/docs")
    async def page() -> Response:
        return Response(read("docs.html"), media_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY})

    @router.get("/docs/{name}")
    async def file(name: str) -> Response:
        if name not in _TYPES:
            raise ProblemError(404, "no such file")
        return Response(read(name), media_type=_TYPES[name])

    return router


def openapi(app: FastAPI) -> dict[str, object]:
    """What the app can do, with the two ways to say who one is. Made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=_TITLE, version=VERSION, routes=app.routes)
        made.setdefault("components", {})["securitySchemes"] = _SCHEMES
        made["security"] = [{}, *({name: []} for name in _SCHEMES)]
        app.openapi_schema = made
    return dict(app.openapi_schema)


def _files() -> Callable[[str], bytes]:
    """Reads a file of the page: ours, or Swagger UI's. Kept in memory once it was asked for."""
    from swagger_ui_bundle import swagger_ui_path  # needs 0.1 s, and only /docs needs it

    kept: dict[str, bytes] = {}

    def read(name: str) -> bytes:
        if name not in kept:
            ours = resources.files("streamer.service.api") / "docs_page" / name
            kept[name] = ours.read_bytes() if name.startswith("docs.") else (swagger_ui_path / name).read_bytes()
        return kept[name]

    return read
