"""Uploads over HTTP: a plain POST, or resumable by tus 1.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from streamer.service.access.caller import Caller, Role
from streamer.service.api.job_json import UploadJson, upload_json
from streamer.service.http.body import BodyBudget, BodyShare, body_pieces, media_type
from streamer.service.http.callers import needs
from streamer.service.http.problems import ProblemError
from streamer.service.jobs.errors import NotFoundError, TooMuchError
from streamer.service.jobs.uploads import SMALL, Upload, Uploads
from streamer.service.store.database import BusyError

PIECE: Final = 8 << 20
"""Bytes that are stored at a time."""
IN_MEMORY: Final = 64 * PIECE
"""Bytes of unfinished pieces of all uploads together; beyond that, 429."""
CHECKED: Final = 64 << 20
"""Most bytes of a request with a checksum, which must be in memory whole before any of it counts."""

TUS: Final = "1.0.0"
_EXTENSIONS: Final = "creation,creation-with-upload,creation-defer-length,termination,checksum"
_HASHES: Final = ("sha256", "sha1")
_OFFSET_TYPE: Final = "application/offset+octet-stream"
_HASHING: Final = 4  # files that are hashed at a time
_STORING: Final = 8  # pieces that are stored at a time
_MISMATCH: Final = 460  # tus: checksum mismatch

Submitter = Annotated[Caller, Depends(needs(Role.SUBMIT))]


def upload_routes(uploads: Uploads) -> APIRouter:
    """`/v1/uploads`, `/v1/uploads/ID`."""
    router = APIRouter(tags=["uploads"])
    receiver = _Receiver(uploads, BodyBudget(IN_MEMORY))
    every = {"Tus-Resumable": TUS, "Cache-Control": "no-store"}

    @router.options("/v1/uploads", status_code=204, include_in_schema=False)
    @router.options("/v1/uploads/{upload}", status_code=204, include_in_schema=False)
    async def options() -> Response:
        about = {"Tus-Version": TUS, "Tus-Extension": _EXTENSIONS, "Tus-Max-Size": str(uploads.max_bytes)}
        return Response(status_code=204, headers={**every, **about, "Tus-Checksum-Algorithm": ",".join(_HASHES)})

    @router.post("/v1/uploads", status_code=201, response_model=UploadJson, openapi_extra=_BODY)
    async def create(request: Request, caller: Submitter) -> Response:
        """Send a file whole; or, with `Tus-Resumable: 1.0.0`, begin an upload that can be resumed."""
        if "tus-resumable" not in request.headers:
            return JSONResponse(upload_json(await receiver.whole(request, caller)).model_dump(), 201)
        _check_version(request)
        length = _length(request)
        if length is None and request.headers.get("upload-defer-length") != "1":
            raise ProblemError(400, "Upload-Length is missing")
        if length == 0:
            raise ProblemError(422, "the file is empty")
        made = await run_in_threadpool(uploads.begin, caller, length)
        if media_type(request) == _OFFSET_TYPE:
            made = await receiver.part(request, caller, made, 0)
        place = {"Location": f"/v1/uploads/{made.id}", "Upload-Offset": str(made.received)}
        return JSONResponse(upload_json(made).model_dump(), 201, {**every, **place})

    @router.head("/v1/uploads/{upload}", include_in_schema=False)
    async def head(upload: str, caller: Submitter) -> Response:
        found = await receiver.settled(caller, await run_in_threadpool(uploads.get, caller, upload))
        length = {"Upload-Defer-Length": "1"} if found.length is None else {"Upload-Length": str(found.length)}
        return Response(status_code=200, headers={**every, **length, "Upload-Offset": str(found.received)})

    @router.get("/v1/uploads/{upload}", response_model=UploadJson)
    async def get(upload: str, caller: Submitter) -> UploadJson:
        """How much of an upload has come in. What came in is never served again."""
        return upload_json(await receiver.settled(caller, await run_in_threadpool(uploads.get, caller, upload)))

    @router.patch("/v1/uploads/{upload}", status_code=204, openapi_extra=_BODY)
    async def patch(request: Request, upload: str, caller: Submitter) -> Response:
        """Go on with an upload (tus): `Upload-Offset` says where the body belongs."""
        _check_version(request)
        if media_type(request) != _OFFSET_TYPE:
            raise ProblemError(415, f"the body of a PATCH is {_OFFSET_TYPE}")
        offset = _number(request, "upload-offset")
        if offset is None:
            raise ProblemError(400, "Upload-Offset is missing")
        found = await run_in_threadpool(uploads.get, caller, upload)
        length = _length(request)
        if length is not None and found.length is None:
            found = await run_in_threadpool(uploads.announce, caller, upload, length)
        found = await receiver.part(request, caller, found, offset)
        return Response(status_code=204, headers={**every, "Upload-Offset": str(found.received)})

    @router.delete("/v1/uploads/{upload}", status_code=204)
    async def delete(upload: str, caller: Submitter) -> Response:
        """Remove an upload that no job needs."""
        await run_in_threadpool(uploads.delete, caller, upload)
        return Response(status_code=204, headers=every)

    return router


_BODY: Final = {
    "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


class _Receiver:
    """Stores bodies of requests piece by piece. What is stored counts even if the rest never comes."""

    def __init__(self, uploads: Uploads, budget: BodyBudget) -> None:
        self._uploads, self._budget = uploads, budget
        self._finishing = dict[str, asyncio.Task[Upload]]()
        # Threads of their own: however much is hashed and stored, other requests find one.
        self._hashing, self._storing = CapacityLimiter(_HASHING), CapacityLimiter(_STORING)

    async def whole(self, request: Request, caller: Caller) -> Upload:
        """A complete file in one body. If it breaks off, nobody knows its id: nothing of it is kept."""
        length = _number(request, "content-length")
        made = await run_in_threadpool(self._uploads.begin, caller, length, resumable=False)
        try:
            with self._budget.share(caller.owner) as share:
                await self._store(request, caller, made, 0, share)
            return await self._finished(caller, made.id)
        except BaseException:
            await asyncio.shield(asyncio.create_task(self._drop(caller, made), name="veilcast-upload"))
            raise

    async def _drop(self, caller: Caller, upload: Upload) -> None:
        """Remove what was cut off; if that cannot be done now, the keeper does it later."""
        with suppress(BusyError, OSError, NotFoundError):
            await run_in_threadpool(self._uploads.delete, caller, upload.id)

    async def part(self, request: Request, caller: Caller, upload: Upload, offset: int) -> Upload:
        """A body that belongs at `offset`; the upload is finished once it has its length."""
        if upload.received != offset:
            raise ProblemError(409, f"the upload ends at byte {upload.received}, not at {offset}")
        with self._budget.share(caller.owner) as share:
            checksum = request.headers.get("upload-checksum")
            if checksum is None:
                found = await self._store(request, caller, upload, offset, share)
            else:
                content = await self._checked(request, checksum, share)
                found = await self._append(caller, upload, offset, content)
        return await self.settled(caller, found)

    async def settled(self, caller: Caller, upload: Upload) -> Upload:
        """The upload, finished if all of it has come in: its last request may have been cut off just before that."""
        if upload.received == upload.length and upload.sha256 is None:
            return await self._finished(caller, upload.id)
        return upload

    async def _finished(self, caller: Caller, upload: str) -> Upload:
        """The upload with its hash, which is made once, however many ask for it meanwhile."""
        doing = self._finishing.get(upload)
        if doing is None:
            finish = partial(self._uploads.finish, caller, upload)
            doing = asyncio.create_task(_in_thread(finish, self._hashing), name="veilcast-upload-hash")
            self._finishing[upload] = doing
            doing.add_done_callback(partial(self._done, upload))
        return await asyncio.shield(doing)  # one who goes away must not take it from the others

    def _done(self, upload: str, doing: asyncio.Task[Upload]) -> None:
        del self._finishing[upload]
        if not doing.cancelled():
            doing.exception()  # whoever waits gets it, too, but there may be nobody

    async def _append(self, caller: Caller, upload: Upload, offset: int, piece: bytes) -> Upload:
        return await _in_thread(partial(self._uploads.append, caller, upload.id, offset, piece), self._storing)

    async def _store(self, request: Request, caller: Caller, upload: Upload, offset: int, share: BodyShare) -> Upload:
        held = bytearray()
        try:
            async for piece in body_pieces(request, self._uploads.max_bytes - offset):
                share.take(len(piece))  # no more than there is: many slow bodies must not keep others out
                held += piece
                while len(held) >= PIECE + min(SMALL, PIECE // 8):  # or the end of a body would be a small piece
                    part = bytes(held[:PIECE])
                    upload = await self._append(caller, upload, offset, part)
                    offset += len(part)
                    del held[:PIECE]
                    share.give_back(PIECE)
        except (ClientDisconnect, ProblemError):
            if held:  # cut off: whoever resumes goes on from the last byte that came in
                with suppress(TooMuchError):  # it may be too small a piece, which is sent again then
                    await self._append(caller, upload, offset, bytes(held))
            raise
        return await self._append(caller, upload, offset, bytes(held))

    async def _checked(self, request: Request, checksum: str, share: BodyShare) -> bytes:
        """The body, if it has that checksum: `ALGORITHM BASE64`."""
        name, _, wanted = checksum.partition(" ")
        if name not in _HASHES:
            raise ProblemError(400, f"Upload-Checksum knows {' and '.join(_HASHES)}")
        try:
            digest = base64.b64decode(wanted, validate=True)
        except binascii.Error:
            raise ProblemError(400, "Upload-Checksum is not base64") from None
        content = await _gathered(body_pieces(request, CHECKED), share)
        if hashlib.new(name, content).digest() != digest:
            raise ProblemError(
                _MISMATCH, "the body does not have the checksum that was announced", title="Checksum Mismatch"
            )
        return content


async def _in_thread(work: Callable[[], Upload], limiter: CapacityLimiter) -> Upload:
    return await to_thread.run_sync(work, limiter=limiter)


async def _gathered(pieces: AsyncIterator[bytes], share: BodyShare) -> bytes:
    whole = bytearray()
    async for piece in pieces:
        share.take(len(piece))
        whole += piece
    return bytes(whole)


def _check_version(request: Request) -> None:
    if request.headers.get("tus-resumable") != TUS:
        raise ProblemError(412, f"this server speaks tus {TUS}", headers={"Tus-Version": TUS})


def _length(request: Request) -> int | None:
    return _number(request, "upload-length")


def _number(request: Request, name: str) -> int | None:
    text = request.headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise ProblemError(400, f"{name.title()} is not a number of bytes")
    return int(text)
