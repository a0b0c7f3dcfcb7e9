"""`POST /v1/pictures`: a picture in, its masked copy out, at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from streamer.pictures.kind import PictureKind
from streamer.service.access.caller import Caller, Role
from streamer.service.audit.entry import AuditAction, AuditEntry
from streamer.service.http.body import BodyBudget, form_parts, media_type, read_body, unless_gone
from streamer.service.http.callers import needs
from streamer.service.http.problems import ProblemError
from streamer.service.jobs.settings import engine_name
from streamer.service.pictures.cache import PictureCache, cache_key
from streamer.service.pictures.far import PictureMasker
from streamer.service.pictures.pool import MaskedAnswer, PictureRefusedError, PoolFullError
from streamer.service.pictures.settings import PictureSettings
from streamer.settings.file import Settings

_FORM: Final = "multipart/form-data"
_PARTS: Final = frozenset({"file", "settings"})
_FORM_EXTRA: Final = 64 * 1024  # bytes that a form may have besides the picture
_BINARY: Final = {"type": "string", "format": "binary"}
_TYPES: Final = [f"image/{kind.lower()}" for kind in PictureKind]
_HEADERS: Final = {
    "X-Veilcast-Faces": {"description": "How many faces were masked", "schema": {"type": "integer"}},
    "X-Veilcast-Cache": {"description": "hit or miss", "schema": {"type": "string", "enum": ["hit", "miss"]}},
    "X-Veilcast-Whole": {
        "description": "1 if the detector failed, and all of the picture is masked",
        "schema": {"type": "string"},
    },
}
_ANSWERS: Final[dict[int | str, dict[str, object]]] = {
    200: {
        "description": "The masked picture, in its own format, upright, without metadata",
        "content": {name: {"schema": _BINARY} for name in _TYPES},
        "headers": _HEADERS,
    }
}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            **{name: {"schema": _BINARY} for name in _TYPES},
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": _BINARY, "settings": {"type": "object"}},
                }
            },
        },
    }
}

Submitter = Annotated[Caller, Depends(needs(Role.SUBMIT))]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A picture and what to do with it. `chosen`, as the audit log has it; `fingerprint`, over all settings."""

    content: bytes
    settings: Settings
    chosen: dict[str, str]
    fingerprint: str
    engine: str


def pictures_routes(
    pool: PictureMasker, cache: PictureCache, base: Settings, *, max_bytes: int, budget: BodyBudget
) -> APIRouter:
    """The route, for pictures of up to `max_bytes`. `base`: the server's own settings."""
    router = APIRouter(tags=["pictures"])

    @lru_cache(256)
    def prepared(settings: PictureSettings) -> tuple[Settings, str, str]:
        whole = settings.whole(base)
        return whole, whole.fingerprint(), engine_name(whole)

    async def asked(request: Request, content: bytes, settings: PictureSettings) -> _Asked:
        if media_type(request) == _FORM:
            parts = form_parts(request.headers["content-type"], content, _PARTS)
            if "file" not in parts:
                raise ProblemError(422, "the form has no part file")
            content, settings = parts["file"], _from_part(parts.get("settings"), settings)
            if len(content) > max_bytes:
                raise ProblemError(413, f"more than the {max_bytes} bytes that are accepted")
        if not content:
            raise ProblemError(422, "there is no picture in the request")
        whole, fingerprint, engine = prepared(settings)
        return _Asked(content, whole, settings.chosen(), fingerprint, engine)

    async def answered(what: _Asked, caller: Caller) -> tuple[MaskedAnswer, bool]:
        """The masked picture, and whether it was kept from an earlier time. It stands in the audit log."""
        digest = await run_in_threadpool(_sha256, what.content)
        key = cache_key(caller.owner, digest, what.fingerprint, what.engine)

        def entry(output: str | None, outcome: str = "ok") -> AuditEntry:
            return AuditEntry(
                action=AuditAction.PICTURE,
                actor=caller.owner,
                address=caller.address,
                input_sha256=digest,
                output_sha256=output,
                settings=what.chosen,
                engine=what.engine,
                outcome=outcome,
            )

        found = await run_in_threadpool(cache.find, key)
        if found is not None:
            await run_in_threadpool(cache.record, entry(found.sha256))
            return found, True
        try:
            made = await pool.mask(what.content, what.settings)
        except PictureRefusedError as error:
            await run_in_threadpool(cache.record, entry(None, str(error)))
            raise ProblemError(415 if error.unsupported else 422, str(error)) from None
        except PoolFullError as error:
            raise ProblemError(429, str(error), headers={"Retry-After": str(error.retry_after)}) from None
        await run_in_threadpool(cache.keep, key, caller.owner, made, entry(made.sha256))
        return made, False

    @router.post("/v1/pictures", response_class=Response, responses=_ANSWERS, openapi_extra=_BODY)
    async def mask_a_picture(
        request: Request, caller: Submitter, settings: Annotated[PictureSettings, Query()]
    ) -> Response:
        """Mask a picture: the body is the picture, or a form with the parts `file` and, as JSON, `settings`."""
        if request.headers.get("content-encoding", "identity") != "identity":
            raise ProblemError(415, "send the picture as it is, without a Content-Encoding")
        extra = _FORM_EXTRA if media_type(request) == _FORM else 0
        with budget.share(caller.owner) as share:
            what = await asked(request, await read_body(request, max_bytes + extra, share), settings)
            answer, hit = await unless_gone(request, answered(what, caller))
        headers = {"X-Veilcast-Faces": str(answer.faces), "X-Veilcast-Cache": "hit" if hit else "miss"}
        if answer.whole:
            headers["X-Veilcast-Whole"] = "1"
        headers |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(answer.content, 200, headers, answer.media_type)

    return router


def _from_part(text: bytes | None, in_query: PictureSettings) -> PictureSettings:
    """Settings of a form. Raises RequestValidationError, and ProblemError if there are some in the query, too."""
    if text is None:
        return in_query
    if in_query.model_fields_set:
        raise ProblemError(422, "settings are either in the query or in the part settings, not in both")
    try:
        return PictureSettings.model_validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**each, "loc": ("settings", *each["loc"])} for each in found]) from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
