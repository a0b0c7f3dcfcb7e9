"""Reads the body of a request, never more of it than is allowed, and none of it into files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from streamer.service.http.problems import ProblemError

_PARTS: Final = 8
_HEADERS: Final = 8
_HEADER_BYTES: Final = 4096

T = TypeVar("T")


SLOWEST: Final = 64 * 1024
"""Bytes per second that a body must come with, if it is to be whole before any of it counts."""
GRACE: Final = 30.0
"""Seconds that such a body may take besides."""
TRICKLE: Final = 1024
"""Bytes per second, averaged over `WINDOW`, that a body must come with of which every piece counts."""
WINDOW: Final = 60.0
_OF_ONE: Final = 4  # an owner's part of a budget is one of so many


class BodyBudget:
    """Bytes of bodies that may be in memory at a time, over all requests, and a quarter of them for each owner.

    Used on one event loop only.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._of = dict[str, int]()

    @property
    def held(self) -> int:
        """Bytes in memory now."""
        return self._held

    @contextmanager
    def share(self, owner: str) -> Iterator[BodyShare]:
        """A request's share, which is given back at the end of the block. `owner`: whose request it is."""
        share = BodyShare(self, owner)
        try:
            yield share
        finally:
            self._take(owner, -share.held)

    def _take(self, owner: str, count: int) -> None:
        held = self._of.get(owner, 0) + count
        if count > 0 and (self._held + count > self._most or held > self._most // _OF_ONE):
            raise ProblemError(429, "too much is being sent at once; try again later", headers={"Retry-After": "1"})
        self._held += count
        self._of[owner] = held
        if not held:
            del self._of[owner]


@dataclass(slots=True)
class BodyShare:
    """What one request holds of a budget."""

    budget: BodyBudget
    owner: str
    held: int = 0

    def take(self, count: int) -> None:
        """Hold `count` bytes more. Raises ProblemError 429 if there is no room."""
        self.budget._take(self.owner, count)
        self.held += count

    def give_back(self, count: int) -> None:
        """Hold `count` bytes less."""
        self.budget._take(self.owner, -count)
        self.held -= count


async def body_pieces(
    request: Request, cap: int, patience: float = 60.0, seconds: float | None = None
) -> AsyncIterator[bytes]:
    """The body, piece by piece. Raises ProblemError: 413 once it has, or announces, more than `cap` bytes; 408 if the
    next piece takes more than `patience` seconds, and if it is too slow. Raises ClientDisconnect if it breaks off.

    Too slow: all of it takes more than `seconds`; or, without them, less comes than `TRICKLE`. What the taker of the
    pieces needs is not counted.
    """
    if (_announced(request) or 0) > cap:
        raise _too_large(cap)
    received, pieces = 0, aiter(request.stream())
    waited, came = 0.0, 0  # in all, or in this window
    while True:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(patience if seconds is None else min(patience, seconds - waited)):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            whole = seconds is not None and seconds - waited < patience
            raise _too_slow(
                f"it took more than {seconds:g} s" if whole else f"nothing came for {patience:g} s"
            ) from None
        received, came, waited = received + len(piece), came + len(piece), waited + time.monotonic() - begun
        if seconds is None and waited >= WINDOW:
            if came < TRICKLE * WINDOW:
                raise _too_slow(f"less than {TRICKLE} bytes came in a second")
            waited, came = 0.0, 0
        if received > cap:
            raise _too_large(cap)
        if piece:
            yield piece


async def read_body(request: Request, cap: int, share: BodyShare | None = None) -> bytes:
    """The whole body, of at most `cap` bytes, within the request's share. Raises what `body_pieces` does."""
    whole, announced = bytearray(), _announced(request)
    async for piece in body_pieces(request, cap, seconds=GRACE + (cap if announced is None else announced) / SLOWEST):
        if share is not None:
            share.take(len(piece))
        whole += piece
    return bytes(whole)


def media_type(request: Request) -> str:
    """The Content-Type without its parameters, in lower case; empty if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(slots=True)
class _Part:
    name: str | None = None
    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    content: bytearray = field(default_factory=bytearray)


def form_parts(content_type: str, body: bytes, names: frozenset[str]) -> dict[str, bytes]:
    """The parts of a multipart/form-data body by name. Raises ProblemError: 400 if it is damaged, 422 for others than
    `names` and for one that comes twice.
    """
    _, options = parse_options_header(content_type)
    parts: dict[str, bytes] = {}
    part, complete = _Part(), False

    def begin() -> None:
        nonlocal part
        part = _Part()

    def header_end() -> None:
        if bytes(part.header).lower() == b"content-disposition":
            _, fields = parse_options_header(bytes(part.value).decode("latin-1"))
            part.name = fields.get(b"name", b"").decode("utf-8", "replace")
        part.header.clear()
        part.value.clear()

    def end() -> None:
        if part.name is None or part.name not in names:
            raise ProblemError(422, f"a part of the form is none of: {', '.join(sorted(names))}")
        if part.name in parts or len(parts) >= _PARTS:
            raise ProblemError(422, f"the form has more than one part {part.name}")
        parts[part.name] = bytes(part.content)

    def finished() -> None:
        nonlocal complete
        complete = True

    def add(data: bytes, start: int, stop: int) -> None:
        part.content += data[start:stop]

    def add_header(data: bytes, start: int, stop: int) -> None:
        part.header += data[start:stop]

    def add_value(data: bytes, start: int, stop: int) -> None:
        part.value += data[start:stop]

    try:
        MultipartParser(
            options.get(b"boundary", b""),
            {
                "on_part_begin": begin,
                "on_part_data": add,
                "on_part_end": end,
                "on_header_field": add_header,
                "on_header_value": add_value,
                "on_header_end": header_end,
                "on_end": finished,
            },
            max_header_count=_HEADERS,
            max_header_size=_HEADER_BYTES,
        ).write(body)
    except FormParserError:
        complete = False
    if not complete or not options.get(b"boundary"):
        raise ProblemError(400, "the form is damaged or not complete")
    return parts


def _announced(request: Request) -> int | None:
    """Bytes that the body is said to have."""
    text = request.headers.get("content-length", "")
    return int(text[:20]) if text.isascii() and text.isdigit() else None


def _too_slow(why: str) -> ProblemError:
    return ProblemError(408, why, headers={"Connection": "close"})


def _too_large(cap: int) -> ProblemError:
    # What is left of the body is not read, so the connection cannot be used again.
    return ProblemError(413, f"more than the {cap} bytes that are accepted", headers={"Connection": "close"})


async def unless_gone(request: Request, work: Coroutine[None, None, T]) -> T:
    """What `work` returns, which is cancelled if the client goes away. The body must have been read.

    Raises ClientDisconnect, and whatever `work` raises.
    """
    doing = asyncio.create_task(work, name="veilcast-request")
    watching = asyncio.create_task(_gone(request), name="veilcast-client")
    try:
        await asyncio.wait((doing, watching), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        for task in (doing, watching):
            task.cancel()
        await asyncio.gather(doing, watching, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
