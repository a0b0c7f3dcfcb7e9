"""Sessions of browsers over HTTP: a token is traded for a cookie that no script can read."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from streamer.service.access.caller import Role
from streamer.service.access.decision import LOGIN, AccessRules, Refusal
from streamer.service.access.sessions import set_cookie
from streamer.service.http.body import media_type, read_body
from streamer.service.http.callers import CallerOf
from streamer.service.http.problems import ProblemError
from streamer.service.store.tables import LOCAL

_CAP: Final = 4096  # bytes; anybody may send one


class LoginRequest(BaseModel):
    """The token to begin a session with."""

    model_config = {"extra": "forbid"}

    token: str = Field(min_length=1, max_length=200)


class SessionJson(BaseModel):
    """Who asks. `open`: nobody needs a token here, at this machine."""

    owner: str
    roles: list[Role]
    open: bool


_BODY: Final = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": LoginRequest.model_json_schema()}}}
}


def session_routes(rules: AccessRules) -> APIRouter:
    """`/v1/session`."""
    router = APIRouter(tags=["session"])

    @router.post(LOGIN, status_code=204, response_class=Response, openapi_extra=_BODY)
    async def login(request: Request) -> Response:
        """Begin a session; the cookie stands for the token until it is not used for 12 hours."""
        if media_type(request) != "application/json":
            raise ProblemError(415, "a login is application/json")
        try:
            asked = LoginRequest.model_validate_json(await read_body(request, _CAP))
        except ValidationError:  # its text would repeat what was sent
            raise ProblemError(422, 'a login is {"token": "..."}') from None
        address = None if request.client is None else request.client.host
        cookie = await run_in_threadpool(rules.login, asked.token, address, request.headers.get("user-agent"))
        if isinstance(cookie, Refusal):
            raise ProblemError(cookie.status, cookie.text, headers=dict(cookie.headers))
        return _with_cookie(request, cookie)

    @router.get(LOGIN, response_model=SessionJson)
    async def session(caller: CallerOf) -> SessionJson:
        """Who asks, and what they may do."""
        return SessionJson(owner=caller.owner, roles=sorted(caller.roles), open=caller.owner == LOCAL)

    @router.delete(LOGIN, status_code=204, response_class=Response)
    async def logout(request: Request, _: CallerOf) -> Response:
        """End the session."""
        await run_in_threadpool(rules.logout, request.headers.get("cookie"))
        return _with_cookie(request, "")

    return router


def _with_cookie(request: Request, value: str) -> Response:
    secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").lower())
    return Response(status_code=204, headers={"Set-Cookie": set_cookie(value, secure), "Cache-Control": "no-store"})
