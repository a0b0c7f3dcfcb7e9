"""Sends files of jobs: whole or in ranges (RFC 9110, section 14), never an original."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from streamer.service.http.problems import ProblemError
from streamer.service.store.blobs import Blobs

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)
_HEADERS: Final = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-store",
    # Whatever a file holds, a browser that shows it by itself must neither run nor load anything.
    "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'; img-src 'self'",
}


@dataclass(frozen=True, slots=True)
class Download:
    """A file to send. `name` is what a browser calls it when it is saved; `tag` changes with the content."""

    blob: str
    bytes: int
    media_type: str
    name: str
    tag: str


def send_file(request: Request, blobs: Blobs, file: Download, inline: bool) -> Response:
    """The file, or the one range that is asked for. Raises ProblemError 416 for a range that it does not have."""
    wanted = _wanted(request, file)
    start, end = wanted or (0, file.bytes)
    headers = {
        **_HEADERS,
        "ETag": f'"{file.tag}"',
        "Content-Length": str(end - start),
        # Without a name, a page can give it the one that its reader knows it by.
        "Content-Disposition": "inline" if inline else f'attachment; filename="{file.name}"',
    }
    status = 200 if wanted is None else 206
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.bytes}"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=file.media_type)
    blobs.size(file.blob)  # a file that is gone must be an error, not half an answer
    content = blobs.read(file.blob, start, end)
    return StreamingResponse(content, status, headers, file.media_type)


def _wanted(request: Request, file: Download) -> tuple[int, int] | None:
    """First byte, and the one after the last; None: the whole file, as the RFC has it for HEAD, several ranges, and
    nonsense.
    """
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if request.method != "GET" or asked is None or request.headers.get("if-range", f'"{file.tag}"') != f'"{file.tag}"':
        return None
    first, last = asked.groups()
    if first:
        start, end = int(first), min(int(last) + 1, file.bytes) if last else file.bytes
        if last and int(last) < start:
            return None
    elif last:
        start, end = max(0, file.bytes - int(last)), file.bytes
    else:
        return None
    if start >= end:
        headers = {"Content-Range": f"bytes */{file.bytes}"}
        raise ProblemError(416, f"the file has {file.bytes} bytes", headers=headers)
    return start, end
