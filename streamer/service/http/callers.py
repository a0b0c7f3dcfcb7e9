"""Who makes a request, as a parameter of its handler. Whoever lets requests in has set `request.state.caller`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from streamer.service.access.caller import Caller, Role
from streamer.service.http.problems import ProblemError


def known_caller(request: Request) -> Caller:
    """Whoever was let in. Raises ProblemError 401 if nobody has said who it is."""
    caller = getattr(request.state, "caller", None)
    if not isinstance(caller, Caller):
        raise ProblemError(401, "this needs a token", headers={"WWW-Authenticate": "Bearer"})
    return caller


async def caller_of(request: Request) -> Caller:
    """The same as a dependency; as a coroutine, it needs no thread."""
    return known_caller(request)


CallerOf = Annotated[Caller, Depends(caller_of)]
"""Anybody who was let in."""


def needs(role: Role) -> Callable[[Request], Awaitable[Caller]]:
    """For `Annotated[Caller, Depends(needs(Role.AUDIT))]`: whoever was let in and has this role; 403 for others."""

    async def check(request: Request) -> Caller:
        caller = known_caller(request)
        if not caller.may(role):
            raise ProblemError(403, f"this needs a token with the role {role}")
        return caller

    return check
