from __future__ import annotations

from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from streamer.service.access.caller import Caller, Role
from streamer.service.http.callers import CallerOf, needs
from streamer.service.http.problems import errors_are_problems
from tests.rigs.uvicorn_server import uvicorn_serving


def app(caller: object) -> FastAPI:
    async def let_in(request: Request) -> None:
        request.state.caller = caller

    made = FastAPI(dependencies=[Depends(let_in)])
    errors_are_problems(made)

    @made.get("/anybody")
    def anybody(caller: CallerOf) -> str:
        return caller.owner

    @made.get("/auditors")
    def auditors(caller: Annotated[Caller, Depends(needs(Role.AUDIT))]) -> str:
        return caller.owner

    return made


@pytest.mark.parametrize(
    ("roles", "status"), [((Role.AUDIT,), 200), ((Role.ADMIN,), 200), ((Role.SUBMIT, Role.VIEW), 403), ((), 403)]
)
def test_roles(roles: tuple[Role, ...], status: int) -> None:
    with uvicorn_serving(app(Caller("me", frozenset(roles), None))) as url:
        assert httpx.get(f"{url}/anybody").json() == "me"
        assert httpx.get(f"{url}/auditors").status_code == status


def test_nobody_is_let_in_by_default() -> None:
    with uvicorn_serving(app(None)) as url:
        for path in ("/anybody", "/auditors"):
            answer = httpx.get(f"{url}{path}")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
