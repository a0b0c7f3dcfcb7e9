"""Serves the page from the package's own files. Nothing in it comes from anywhere else."""

from __future__ import annotations

from importlib import resources
from typing import Final

from fastapi import APIRouter, Response

from streamer.http.protection import page_policy, security_headers

PAGE_HEADERS: Final = security_headers(page_policy("blob:"))
"""What every answer that holds a part of the page is sent with, the 404 page included."""

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SITE: Final = resources.files("streamer.service.page") / "site"


def page_routes() -> APIRouter:
    """`/` and `/page/FILE`, read once. Any other name below /page/ is answered 404 with the page for that."""
    index = _read("index.html")
    files = {file.name: file.read_bytes() for file in _SITE.iterdir() if _suffix(file.name) in (".css", ".js", ".svg")}
    missing = not_found_page()
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def start() -> Response:
        return _answer("index.html", index)

    @router.api_route("/page/{file}", methods=["GET", "HEAD"])
    async def part(file: str) -> Response:
        content = files.get(file)
        return _answer("not_found.html", missing, 404) if content is None else _answer(file, content)

    return router


def not_found_page() -> bytes:
    """What a browser is shown for an address where there is nothing: HTML in UTF-8, to be sent with PAGE_HEADERS."""
    return _read("not_found.html")


def _read(name: str) -> bytes:
    return (_SITE / name).read_bytes()


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]


def _answer(name: str, content: bytes, status: int = 200) -> Response:
    return Response(content, status, headers=PAGE_HEADERS, media_type=_TYPES[_suffix(name)])
