"""Attacks on the web server's HTTP."""

from __future__ import annotations

import asyncio
import contextlib

from tests.rigs.attack.offers import an_offer
from tests.rigs.attack.target import PAUSE, Target

MANY = 1300
"""Connections: more than a process with the usual limit may have, though some connect late."""


async def half_requests(target: Target) -> None:
    """More than a thousand incomplete requests: empty, half a request line, half a header."""

    async def one(number: int) -> None:
        async with target.connected(target.web) as (reader, writer):
            writer.write((b"", b"GET /door HT", b"GET /door HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b")[number % 3])
            await reader.read()
        await asyncio.sleep(1.0)  # disconnected: reconnect, but not at full speed

    await target.many(MANY, one)


async def drip_headers(target: Target) -> None:
    """Requests sent at one byte per second."""

    async def one(number: int) -> None:
        async with target.connected(target.web) as (reader, writer):
            writer.write(b"GET /door HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
            await _drip(reader, writer)
        await asyncio.sleep(PAUSE)

    await target.many(MANY, one)


async def drip_body(target: Target) -> None:
    """Offers whose body is sent at one byte per second."""

    async def one(number: int) -> None:
        async with target.connected(target.web) as (reader, writer):
            head = (
                "POST /whep/door HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/sdp\r\nContent-Length: 9000"
            )
            writer.write(f"{head}\r\n\r\nv=0".encode())
            await _drip(reader, writer)
        await asyncio.sleep(PAUSE)

    await target.many(MANY, one)


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not reader.at_eof() and not writer.is_closing():
        writer.write(b"a")
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(4096), 1.0)


async def http_pipelined(target: Target) -> None:
    """Thousands of requests whose answers nobody reads."""

    async def one(number: int) -> None:
        async with target.connected(target.web) as (_, writer):
            paths = ("door", "page/page.js", "metrics", "api/streams")
            block = b"".join(
                f"GET /{paths[n % 4]} HTTP/1.1\r\nHost: 127.0.0.1:{target.web}\r\n\r\n".encode() for n in range(300)
            )
            for _ in range(100):
                writer.write(block)
                await asyncio.wait_for(writer.drain(), 5)

    await target.many(6, one)


async def guess_bearer(target: Target) -> None:
    """Guesses tokens, as fast as they are checked."""

    async def one(number: int) -> None:
        async with target.connected(target.web) as (reader, writer):
            for count in range(10_000):
                head = f"GET /api/streams HTTP/1.1\r\nHost: 127.0.0.1:{target.web}\r\n"
                writer.write(f"{head}Authorization: Bearer token-{number}-{count}\r\n\r\n".encode())
                judged = await target.answer(reader) == 401
                target.tally["guesses"] += judged

    await target.many(8, one)


async def visit_by_another_name(target: Target) -> None:
    """A page that points its own host name here while it is open in somebody's browser (DNS rebinding)."""
    names = ("evil.example", f"evil.example:{target.web}", "127.0.0.1.evil.example", "[::ffff:7f00:1].evil.example")
    offer = (await an_offer()).encode()

    async def one(number: int) -> None:
        async with target.connected(target.web) as (reader, writer):
            for host in names:
                writer.write(f"GET /api/streams HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                if await target.answer(reader) == 200:
                    target.tally["served /api/streams to a stranger's page"] += 1
            head = f"POST /whep/door HTTP/1.1\r\nHost: {names[0]}\r\nContent-Type: application/sdp\r\n"
            writer.write(f"{head}Content-Length: {len(offer)}\r\n\r\n".encode() + offer)
            if await target.answer(reader, 20) == 201:
                target.tally["served the picture to a stranger's page"] += 1
        await asyncio.sleep(1.0)

    await target.many(1, one)
