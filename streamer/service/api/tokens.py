"""Tokens over HTTP, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from streamer.service.access.caller import Caller, Role
from streamer.service.access.tokens import TokenError, TokenInfo, TokenLimits, TokenMissingError, Tokens
from streamer.service.http.callers import needs
from streamer.service.http.problems import ProblemError
from streamer.service.http.times import rfc3339

Admin = Annotated[Caller, Depends(needs(Role.ADMIN))]


class TokenRequest(BaseModel):
    """A token to be made; limits are null where there is none."""

    model_config = {"extra": "forbid"}

    label: str = Field(min_length=1, max_length=100)
    roles: list[Role] = Field(min_length=1, max_length=len(Role))
    max_jobs: int | None = Field(None, ge=1, lt=2**31)
    max_bytes: int | None = Field(None, ge=1, lt=2**63)
    requests_per_minute: int | None = Field(None, ge=1, lt=2**31)


class TokenJson(BaseModel):
    """A token without its secret. Times are RFC 3339, UTC; `revoked` is null while it is valid."""

    id: str
    label: str
    roles: list[Role]
    created: str
    revoked: str | None
    max_jobs: int | None
    max_bytes: int | None
    requests_per_minute: int | None


class TokenList(BaseModel):
    """All tokens, the oldest first."""

    tokens: list[TokenJson]


class MadeToken(BaseModel):
    """A new token. `secret` is what clients send; it cannot be had again."""

    id: str
    secret: str


def token_routes(tokens: Tokens) -> APIRouter:
    """`/v1/tokens`."""
    router = APIRouter(tags=["tokens"])

    @router.get("/v1/tokens", response_model=TokenList)
    async def listing(_: Admin) -> TokenList:
        """All tokens, those that are revoked included."""
        return TokenList(tokens=[_json(token) for token in await run_in_threadpool(tokens.list)])

    @router.post("/v1/tokens", status_code=201, response_model=MadeToken)
    async def create(body: TokenRequest, caller: Admin, response: Response) -> MadeToken:
        """Make a token. From the first one on, the service is open to nobody without one."""
        limits = TokenLimits(body.max_jobs, body.max_bytes, body.requests_per_minute)
        try:
            made, secret = await run_in_threadpool(tokens.create, body.label, body.roles, limits, caller)
        except TokenError as error:
            raise ProblemError(422, str(error)) from error
        response.headers.update({"Cache-Control": "no-store", "Location": f"/v1/tokens/{made}"})
        return MadeToken(id=made, secret=secret)

    @router.delete("/v1/tokens/{token}", status_code=204, response_class=Response)
    async def revoke(token: str, caller: Admin) -> Response:
        """End a token for ever, with the sessions that stand for it."""
        try:
            await run_in_threadpool(tokens.revoke, token, caller)
        except TokenMissingError as error:
            raise ProblemError(404, str(error)) from error
        return Response(status_code=204)

    return router


def _json(token: TokenInfo) -> TokenJson:
    return TokenJson(
        id=token.id,
        label=token.label,
        roles=sorted(token.roles),
        created=rfc3339(token.created),
        revoked=None if token.revoked is None else rfc3339(token.revoked),
        max_jobs=token.limits.max_jobs,
        max_bytes=token.limits.max_bytes,
        requests_per_minute=token.limits.requests_per_minute,
    )
