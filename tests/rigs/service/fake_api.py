"""The service's HTTP API in memory, for tests of its page: nothing is masked, and a test says how jobs go on."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image, UnidentifiedImageError

from streamer.live.web.site import LiveSite
from streamer.service.page.page import PAGE_HEADERS, not_found_page, page_routes
from tests.rigs.uvicorn_server import uvicorn_serving

OFFERED: Final[dict[str, list[str]]] = {
    "config": ["default", "fast", "meeting", "camera", "crowd"],
    "style": ["veil", "blur", "mosaic", "solid"],
    "cover": ["face", "head"],
    "audio": ["keep", "drop", "disguise"],
}
ROLES: Final = ("submit", "view", "operate", "audit", "admin")
CREATED: Final = "2026-03-14T09:26:53Z"
ENDED: Final = "2026-03-14T09:31:07Z"
EXPIRES: Final = "2026-03-21T09:31:07Z"
FINAL: Final = ("done", "failed", "cancelled")
TUS: Final = {"Tus-Resumable": "1.0.0", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class FakeJob:
    """A job as the API describes it."""

    id: str
    settings: dict[str, object]
    state: str = "queued"
    place: int | None = 1
    progress: float = 0.0
    seconds_left: float | None = None
    reason: str | None = None

    def described(self, video: bytes) -> dict[str, object]:
        """Its JSON."""
        done = self.state == "done"
        result = {"type": "video/mp4", "bytes": len(video), "sha256": hashlib.sha256(video).hexdigest()}
        return {
            "id": self.id,
            "state": self.state,
            "place": self.place,
            "progress": self.progress,
            "seconds_left": self.seconds_left,
            "created": CREATED,
            "started": None if self.state == "queued" else CREATED,
            "ended": ENDED if self.state in FINAL else None,
            "expires": EXPIRES if done else None,
            "reason": self.reason,
            "settings": self.settings,
            "result": result if done else None,
            "report": done,
            "masks": False,
        }


@dataclass(slots=True)
class FakeApi:
    """What the server holds, and how it behaves. A test changes these from its own thread."""

    video: bytes = b""
    """The result of every job."""
    token: str | None = None
    """Required to enter; None for none."""
    roles: tuple[str, ...] = ROLES
    cameras: tuple[str, ...] = ()
    camera_state: str = "settled"
    busy: int = 0
    """Pictures still to be answered 429."""
    faces: int = 1
    pieces: int | None = None
    """Pieces of uploads still to be taken; after them 503. None for all."""
    events: bool = True
    """Whether server-sent events work."""
    most_bytes: int = 1 << 30
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    cut: bool = False
    """Whether the connection breaks when an upload's last piece has come in, before it counts as complete."""
    complete: set[str] = field(default_factory=set)
    """Uploads that jobs can be made of."""
    sent: list[tuple[int, int]] = field(default_factory=list)
    """Offset and length of every piece that was taken."""
    queries: list[dict[str, str]] = field(default_factory=list)
    """Settings of every picture."""
    keys: dict[str, str] = field(default_factory=dict)
    """Idempotency keys and their jobs."""
    cookie: str = ""
    stopping: bool = False

    def change(self, job: str, **changes: object) -> None:
        """Let a job go on."""
        self.jobs[job] = replace(self.jobs[job], **changes)  # type: ignore[arg-type]

    def add_job(self, **facts: object) -> str:
        """A job that was there before."""
        job = FakeJob(secrets.token_hex(16), {name: values[0] for name, values in OFFERED.items()})
        self.jobs[job.id] = job
        self.change(job.id, **facts)
        return job.id


def problem(status: int, detail: str, **headers: str) -> Response:
    """An answer by RFC 9457."""
    body = json.dumps({"type": "about:blank", "title": "problem", "status": status, "detail": detail})
    return Response(body, status, headers=headers, media_type="application/problem+json")


def masked(content: bytes) -> bytes:
    """The picture with a grey box in its upper middle, as JPEG. Raises UnidentifiedImageError."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    width, height = picture.size
    picture.paste((128, 120, 116), (int(width * 0.33), int(height * 0.1), int(width * 0.56), int(height * 0.36)))
    answer = io.BytesIO()
    picture.save(answer, "JPEG")
    return answer.getvalue()


def settings_problem(settings: dict[str, object]) -> str | None:
    """One line about settings that the API does not have."""
    for name, value in settings.items():
        if name == "verify" and isinstance(value, bool):
            continue
        if value not in OFFERED.get(name, ()):
            return f"{name}: {value} is not offered"
    return None


@contextmanager
def fake_site(api: FakeApi, cameras: LiveSite | None = None) -> Iterator[str]:
    """Serves until the end of the block; gives the address of the page, without a slash at its end."""
    with uvicorn_serving(_app(api, cameras)) as address:
        yield address
        api.stopping = True


def _app(api: FakeApi, cameras: LiveSite | None) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if cameras is not None:
            await cameras.close()

    app = FastAPI(openapi_url=None, lifespan=lifespan)
    app.include_router(page_routes())
    if cameras is not None:
        app.include_router(cameras.router())
    _add_session(app, api)
    _add_pictures(app, api)
    _add_uploads(app, api)
    _add_jobs(app, api)
    _add_lists(app, api)

    @app.exception_handler(404)
    async def lost(request: Request, error: Exception) -> Response:
        return Response(not_found_page(), 404, headers=PAGE_HEADERS, media_type="text/html; charset=utf-8")

    return app


def _add_session(app: FastAPI, api: FakeApi) -> None:
    @app.middleware("http")
    async def guard(request: Request, call_next):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        known = api.token is None or (api.cookie and request.cookies.get("veilcast_session") == api.cookie)
        entering = request.url.path == "/v1/session" and request.method == "POST"
        if request.url.path.startswith("/v1/") and not known and not entering:
            return problem(401, "a token is needed")
        return await call_next(request)

    @app.get("/v1/session")
    async def session() -> dict[str, object]:
        return {"owner": "local", "roles": list(api.roles), "open": api.token is None}

    @app.post("/v1/session")
    async def enter(request: Request) -> Response:
        if (await request.json()).get("token") != api.token:
            return problem(401, "this token is not valid")
        api.cookie = secrets.token_hex(16)
        response = Response(status_code=204)
        response.set_cookie("veilcast_session", api.cookie, httponly=True, samesite="strict")
        return response

    @app.delete("/v1/session")
    async def leave() -> Response:
        api.cookie = ""
        return Response(status_code=204)

    @app.get("/v1/settings")
    async def settings() -> dict[str, object]:
        return {
            "configs": [{"name": name, "default": name == "default"} for name in OFFERED["config"]],
            "styles": OFFERED["style"],
            "covers": OFFERED["cover"],
            "audio": OFFERED["audio"],
            "max_upload_bytes": api.most_bytes,
            "max_picture_bytes": api.most_bytes,
        }


def _add_pictures(app: FastAPI, api: FakeApi) -> None:
    @app.post("/v1/pictures")
    async def picture(request: Request) -> Response:
        settings = dict(request.query_params)
        wrong = settings_problem(dict(settings))
        if wrong or not settings.keys() <= {"config", "style", "cover"}:
            return problem(422, wrong or "a picture has no such setting")
        if api.busy:
            api.busy -= 1
            return problem(429, "too many pictures at once", **{"Retry-After": "1"})
        try:
            content = masked(await request.body())
        except UnidentifiedImageError:
            return problem(422, "this is not a picture that can be read")
        api.queries.append(settings)
        return Response(content, media_type="image/jpeg", headers={"X-Veilcast-Faces": str(api.faces)})


def _add_uploads(app: FastAPI, api: FakeApi) -> None:
    @app.post("/v1/uploads")
    async def create(request: Request) -> Response:
        assert request.headers["Tus-Resumable"] == "1.0.0"
        upload = secrets.token_hex(16)
        api.uploads[upload] = bytearray()
        api.lengths[upload] = int(request.headers["Upload-Length"])
        return Response(status_code=201, headers={**TUS, "Location": f"/v1/uploads/{upload}", "Upload-Offset": "0"})

    @app.head("/v1/uploads/{upload}")
    async def offset(upload: str) -> Response:
        if upload not in api.uploads:
            return Response(status_code=404, headers=TUS)
        held = {"Upload-Offset": str(len(api.uploads[upload])), "Upload-Length": str(api.lengths[upload])}
        return Response(status_code=200, headers={**TUS, **held})

    @app.patch("/v1/uploads/{upload}")
    async def append(upload: str, request: Request) -> Response:
        piece = await request.body()
        held = api.uploads.get(upload)
        if held is None:
            return problem(404, "there is no such upload", **TUS)
        if upload in api.complete:
            return problem(409, "the upload is complete", **TUS)
        if api.pieces == 0:
            return problem(503, "no room at the moment", **{**TUS, "Retry-After": "1"})
        if int(request.headers["Upload-Offset"]) != len(held):
            return problem(409, "the offset is another one", **TUS)
        assert request.headers["Content-Type"] == "application/offset+octet-stream"
        digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
        if request.headers.get("Upload-Checksum", f"sha256 {digest}") != f"sha256 {digest}":
            return problem(460, "the piece is damaged", **TUS)
        api.sent.append((len(held), len(piece)))
        held += piece
        if api.pieces is not None:
            api.pieces -= 1
        if len(held) == api.lengths[upload]:
            if api.cut:
                api.cut = False
                return problem(503, "the server is stopping", **{**TUS, "Retry-After": "0"})
            api.complete.add(upload)
        return Response(status_code=204, headers={**TUS, "Upload-Offset": str(len(held))})

    @app.delete("/v1/uploads/{upload}")
    async def discard(upload: str) -> Response:
        api.uploads.pop(upload, None)
        return Response(status_code=204, headers=TUS)


def _add_jobs(app: FastAPI, api: FakeApi) -> None:
    @app.post("/v1/jobs", status_code=202)
    async def submit(request: Request) -> Response:
        asked = await request.json()
        key, upload = request.headers["Idempotency-Key"], asked["upload"]
        if upload not in api.complete:
            return problem(409, "the upload is not complete")
        wrong = settings_problem(asked["settings"])
        if wrong:
            return problem(422, wrong)
        if key not in api.keys:
            job = FakeJob(secrets.token_hex(16), asked["settings"])
            api.jobs[job.id], api.keys[key] = job, job.id
        return JSONResponse(api.jobs[api.keys[key]].described(api.video), 202)

    @app.get("/v1/jobs")
    async def listed(limit: int = 50, before: str | None = None) -> dict[str, object]:
        newest = list(api.jobs)[::-1]
        begin = newest.index(before) + 1 if before else 0
        page = newest[begin : begin + limit]
        more = page[-1] if begin + limit < len(newest) else None
        return {"jobs": [api.jobs[job].described(api.video) for job in page], "next": more}

    @app.get("/v1/jobs/{job}")
    async def one(job: str) -> Response:
        found = api.jobs.get(job)
        return JSONResponse(found.described(api.video)) if found else problem(404, "there is no such job")

    @app.get("/v1/jobs/{job}/events")
    async def events(job: str) -> Response:
        if not api.events or job not in api.jobs:
            return problem(404, "there are no events")
        return StreamingResponse(_events(api, job), media_type="text/event-stream")

    @app.get("/v1/jobs/{job}/result")
    async def result(job: str, inline: bool = False) -> Response:
        name = "inline" if inline else f'attachment; filename="masked-{job[:8]}.mp4"'
        return Response(api.video, media_type="video/mp4", headers={"Content-Disposition": name})

    @app.get("/v1/jobs/{job}/report")
    async def report(job: str) -> dict[str, object]:
        return {"faces": api.faces}

    @app.delete("/v1/jobs/{job}")
    async def delete(job: str) -> Response:
        if api.jobs[job].state in FINAL:
            del api.jobs[job]
        else:
            api.change(job, state="cancelled", place=None, seconds_left=None)
        return Response(status_code=204)


async def _events(api: FakeApi, job: str) -> AsyncIterator[str]:
    last = None
    while job in api.jobs and not api.stopping:
        now = api.jobs[job]
        if now != last:
            yield f"event: job\ndata: {json.dumps(now.described(api.video))}\n\n"
        if now.state in FINAL:
            return
        last = now
        await asyncio.sleep(0.02)


def _add_lists(app: FastAPI, api: FakeApi) -> None:
    @app.get("/v1/streams")
    async def streams() -> list[dict[str, str]]:
        return [{"name": name, "state": api.camera_state} for name in api.cameras]

    @app.get("/v1/audit")
    async def audit(limit: int = 50, before: int | None = None) -> dict[str, object]:
        top = before if before is not None else 60
        actions = ("picture", "upload", "submit", "result", "download", "delete", "login", "token")
        entries = [
            {
                "number": number,
                "time": CREATED,
                "action": actions[number % len(actions)],
                "actor": "5f0c1a7e",
                "address": "192.0.2.7",
                "job": hashlib.sha256(str(number).encode()).hexdigest()[:32],
                "output_sha256": hashlib.sha256(str(number).encode()).hexdigest(),
                "outcome": "the file is damaged" if number % 7 == 0 else "ok",
            }
            for number in range(top - 1, max(0, top - 1 - limit), -1)
        ]
        return {"entries": entries, "next": entries[-1]["number"] if top - limit > 1 else None}
