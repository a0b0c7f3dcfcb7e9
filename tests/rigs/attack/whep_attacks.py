"""Attacks on WHEP: bogus offers."""

from __future__ import annotations

import asyncio
import re

from tests.rigs.attack.offers import an_offer
from tests.rigs.attack.target import PAUSE, Target


def _renewed(offer: str, number: int) -> str:
    """The same offer as if from another viewer."""
    return re.sub(r"(a=ice-ufrag:)\S+", rf"\g<1>u{number:07d}", offer)


async def _post(target: Target, offer: str) -> int:
    status = 0
    async with target.connected(target.web) as (reader, writer):
        body = offer.encode()
        head = f"POST /whep/door HTTP/1.1\r\nHost: 127.0.0.1:{target.web}\r\nContent-Type: application/sdp\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        status = await target.answer(reader, 20)
    return status


async def abandoned_offers(target: Target) -> None:
    """Offers whose senders never connect; more of them as soon as there is room."""
    offer = await an_offer()
    count = 0

    async def one(number: int) -> None:
        nonlocal count
        count += 1
        if await _post(target, _renewed(offer, count)) != 201:
            await asyncio.sleep(0.2)

    await target.many(8, one)


async def repeated_offers(target: Target) -> None:
    """The same offer over and over, at the same time, and twice in one body."""
    offer = await an_offer()
    bodies = (offer, offer + offer, offer + offer[offer.index("m=") :], offer * 3)

    async def one(number: int) -> None:
        await _post(target, bodies[number])
        await asyncio.sleep(0.1)

    await target.many(len(bodies), one)


async def monstrous_offers(target: Target) -> None:
    """Offers that are as large as they may be: many candidates, many codecs, many media, long lines."""
    offer = await an_offer()
    media = offer[offer.index("m=") :]
    candidate = "a=candidate:1 1 udp 2130706431 127.0.0.9 9 typ host\r\n"
    codecs = "".join(f"a=rtpmap:{96 + n % 32} H264/90000\r\na=fmtp:{96 + n % 32} {'x=1;' * 20}\r\n" for n in range(400))
    offers = (
        offer + candidate * 1000,
        offer + codecs,
        offer + media * 30,
        offer + "a=" + "b" * 60_000 + "\r\n",
        offer + "a=fmtp:96 " + ";" * 60_000 + "\r\n",
        offer.replace("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVPF" + " 96" * 15_000),
    )

    async def one(number: int) -> None:
        for monster in offers[number:] + offers[:number]:
            await _post(target, monster[:65_000])
            await asyncio.sleep(PAUSE)

    await target.many(4, one)
