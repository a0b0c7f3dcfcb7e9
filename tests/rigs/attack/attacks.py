"""The attacks, one function each: what anyone who can reach the ports can do. Bounded in number and time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import random
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final

from tests.rigs.attack.http_attacks import (
    drip_body,
    drip_headers,
    guess_bearer,
    half_requests,
    http_pipelined,
    visit_by_another_name,
)
from tests.rigs.attack.target import PAUSE, Target
from tests.rigs.attack.whep_attacks import abandoned_offers, monstrous_offers, repeated_offers

Attack = Callable[[Target], Coroutine[None, None, None]]


def _request(method: str, target: Target, headers: str = "", path: str = "door", cseq: int = 1) -> bytes:
    return f"{method} rtsp://127.0.0.1:{target.rtsp}/{path} RTSP/1.0\r\nCSeq: {cseq}\r\n{headers}\r\n".encode()


async def long_digest(target: Target) -> None:
    """Authorization headers that are slow to parse, of maximum length, one after the other."""
    values = (
        "a" * 7900,
        "a=" * 3900,
        'a="' + "\\" * 7800,
        '"' * 7900,
        "a" * 3900 + " " * 3900,
        "a \t" * 2600,
        "=," * 3900,
    )

    async def one(number: int) -> None:
        async with target.connected(target.rtsp) as (reader, writer):
            for count in range(200):
                value = values[(number + count) % len(values)] if number else values[0]
                writer.write(_request("DESCRIBE", target, f"Authorization: Digest {value}\r\n", cseq=count + 1))
                await target.answer(reader, 30)

    await target.many(2, one)


async def idle_rtsp(target: Target) -> None:
    """Many connections that send one request and then idle, and reconnect when they are closed."""

    async def one(number: int) -> None:
        async with target.connected(target.rtsp) as (reader, writer):
            if number % 3:
                writer.write(_request("OPTIONS", target))
                await target.answer(reader)
            if number % 3 == 2:
                writer.write(b"DESCRIBE rtsp://")
            await reader.read()
        await _breathe()

    await target.many(120, one)


async def setup_and_wait(target: Target) -> None:
    """Sessions that are set up over UDP and TCP and never played."""

    async def one(number: int) -> None:
        async with target.connected(target.rtsp) as (reader, writer):
            port = 20_000 + 2 * number
            how = (
                "RTP/AVP/TCP;unicast;interleaved=0-1"
                if number % 2
                else f"RTP/AVP;unicast;client_port={port}-{port + 1}"
            )
            writer.write(_request("SETUP", target, f"Transport: {how}\r\n", "door/trackID=0"))
            await target.answer(reader)
            await reader.read()
        await _breathe()

    await target.many(120, one)


async def setup_flood(target: Target) -> None:
    """SETUP after SETUP on a few connections."""

    async def one(number: int) -> None:
        async with target.connected(target.rtsp) as (reader, writer):
            for count in range(1, 2000):
                if target.over:
                    return
                port = 20_000 + 2 * (count % 10_000)
                how = f"Transport: RTP/AVP;unicast;client_port={port}-{port + 1}\r\n"
                writer.write(_request("SETUP", target, how, "door/trackID=0", count))
                await target.answer(reader)

    await target.many(8, one)


async def interleaved_garbage(target: Target) -> None:
    """Binary frames of all channels and lengths, before anything was set up and between requests."""
    chance = random.Random(3)

    async def one(number: int) -> None:
        async with target.connected(target.rtsp) as (reader, writer):
            for count in range(1, 3000):
                if target.over:
                    return
                data = chance.randbytes(chance.choice((0, 1, 12, 200, 1500, 65_535)))
                writer.write(b"$" + bytes([chance.randrange(256)]) + len(data).to_bytes(2, "big") + data)
                if count % 50 == 0:
                    writer.write(_request("OPTIONS", target, cseq=count))
                    await target.answer(reader)
                await writer.drain()

    await target.many(6, one)


async def random_bytes(target: Target) -> None:
    """Noise on both TCP ports and on every UDP port that the service has open."""
    chance = random.Random(4)
    sent = 0

    async def one(number: int) -> None:
        nonlocal sent
        if number == 0:
            await _noise_over_udp(target, chance)
            return
        async with target.connected(target.rtsp if number % 2 else target.web) as (reader, writer):
            writer.write(chance.randbytes(chance.choice((1, 7, 300, 5000, 70_000))))
            await writer.drain()
            sent += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(4096), 0.3)

    await target.many(9, one)
    target.tally["noise sent"] = sent


async def _noise_over_udp(target: Target, chance: random.Random) -> None:
    """Noise on the UDP ports of WebRTC viewers, and of an RTSP viewer set up for this."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("0.0.0.0", 0)
    )
    try:
        async with target.connected(target.rtsp) as (reader, writer):
            how = "Transport: RTP/AVP;unicast;client_port=20000-20001\r\n"
            writer.write(_request("SETUP", target, how, "door/trackID=0"))
            await target.answer(reader)
            ports = [("127.0.0.1" if host == "0.0.0.0" else host, port) for host, port in target.listening("udp")]
            target.tally["UDP ports"] = len(ports)
            while not target.over:
                for place in ports:
                    # Noise, what looks like STUN, DTLS, RTP and RTCP, and nothing at all.
                    kind = chance.choice(
                        (b"", b"\0\1\0\x08\x21\x12\xa4\x42", b"\x16\xfe\xfd", b"\x80\x60", b"\x80\xc8")
                    )
                    transport.sendto(kind + chance.randbytes(chance.choice((0, 20, 200, 1400))), place)
                    target.tally["datagrams"] += 1
                await asyncio.sleep(0.002)
    finally:
        transport.close()


async def open_ports(target: Target) -> None:
    """Checks that the service listens on the configured address only."""
    while not target.over:
        for kind in ("tcp", "tcp6", "udp", "udp6"):
            for host in {host for host, _ in target.listening(kind)}:
                if host not in ("127.0.0.1", "::1"):
                    target.tally[f"listens on {host} ({kind[:3]})"] += 1
        await asyncio.sleep(1.0)


async def giant_headers(target: Target) -> None:
    """Headers without end: a long line, many lines, both to both ports."""

    async def one(number: int) -> None:
        port = target.rtsp if number % 2 else target.web
        protocol = "RTSP/1.0" if number % 2 else "HTTP/1.1"
        async with target.connected(port) as (reader, writer):
            writer.write(f"GET /door {protocol}\r\nHost: 127.0.0.1\r\n".encode())
            for count in range(400):
                writer.write(b"X: " + b"a" * 5000 if number % 4 < 2 else b"X-%d: a\r\n" % count * 20)
                await writer.drain()
            writer.write(b"\r\n\r\n")
            await target.answer(reader)
        await _breathe()

    await target.many(16, one)


async def rtsp_pipelined(target: Target) -> None:
    """Thousands of requests whose answers nobody reads."""

    async def one(number: int) -> None:
        async with target.connected(target.rtsp) as (_, writer):
            kinds = ("OPTIONS", "DESCRIBE", "GET_PARAMETER")
            block = b"".join(_request(kinds[n % 3], target, cseq=n + 1) for n in range(300))
            for _ in range(100):
                writer.write(block)
                await asyncio.wait_for(writer.drain(), 5)

    await target.many(6, one)


async def guess_basic(target: Target) -> None:
    """Guesses passwords over RTSP, as fast as they are checked."""

    async def one(number: int) -> None:
        async with target.connected(target.rtsp) as (reader, writer):
            for count in range(1, 10_000):
                word = base64.b64encode(f"viewer:word{number}-{count}".encode()).decode()
                writer.write(_request("DESCRIBE", target, f"Authorization: Basic {word}\r\n", cseq=count))
                judged = await target.answer(reader) == 401
                target.tally["guesses"] += judged

    await target.many(8, one)


async def guess_digest(target: Target) -> None:
    """The same with Digest."""

    async def one(number: int) -> None:
        async with target.connected(target.rtsp) as (reader, writer):
            writer.write(_request("DESCRIBE", target))
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode("latin-1")
            nonce = re.search(r'nonce="([^"]+)"', head)
            if nonce is None:
                return
            uri = f"rtsp://127.0.0.1:{target.rtsp}/door"
            for count in range(2, 10_000):
                ha1 = hashlib.md5(f"viewer:veilcast:word{number}-{count}".encode(), usedforsecurity=False).hexdigest()
                ha2 = hashlib.md5(f"DESCRIBE:{uri}".encode(), usedforsecurity=False).hexdigest()
                proof = hashlib.md5(f"{ha1}:{nonce[1]}:{ha2}".encode(), usedforsecurity=False).hexdigest()
                fields = f'username="viewer", realm="veilcast", nonce="{nonce[1]}", uri="{uri}", response="{proof}"'
                writer.write(_request("DESCRIBE", target, f"Authorization: Digest {fields}\r\n", cseq=count))
                judged = await target.answer(reader) == 401
                target.tally["guesses"] += judged

    await target.many(8, one)


async def churn(target: Target) -> None:
    """Connections to both ports that are opened and dropped at once."""

    async def one(number: int) -> None:
        async with target.connected(target.rtsp if number % 2 else target.web):
            pass

    await target.many(16, one)


async def _breathe() -> None:

    await asyncio.sleep(PAUSE)


@dataclass(frozen=True)
class Kind:
    """An attack; `locked`: against a service that asks for credentials. `descriptors`: all that the service may have.

    `quiet`: once it stands, it costs the service nothing, so that processor time it takes then is spinning.
    `camera_returns`: the camera is switched off and on again meanwhile.
    """

    attack: Attack
    locked: bool = True
    descriptors: int | None = None
    quiet: bool = False
    camera_returns: bool = False


ATTACKS: Final[dict[str, Kind]] = {
    "long-digest": Kind(long_digest),
    "half-http": Kind(half_requests, descriptors=1024, quiet=True),
    "camera-returns": Kind(half_requests, descriptors=1024, camera_returns=True),
    "drip-headers": Kind(drip_headers, descriptors=1024),
    "drip-bodies": Kind(drip_body, locked=False, descriptors=1024),
    "idle-rtsp": Kind(idle_rtsp, quiet=True),
    "setup-and-wait": Kind(setup_and_wait, locked=False, quiet=True),
    "abandoned-whep": Kind(abandoned_offers, locked=False),
    "repeated-offers": Kind(repeated_offers, locked=False),
    "monstrous-offers": Kind(monstrous_offers, locked=False),
    "guess-basic": Kind(guess_basic),
    "guess-digest": Kind(guess_digest),
    "guess-bearer": Kind(guess_bearer),
    "open-ports": Kind(open_ports, locked=False),
    "foreign-host": Kind(visit_by_another_name, locked=False),
    "random-bytes": Kind(random_bytes, locked=False),
    "giant-headers": Kind(giant_headers),
    "interleaved-garbage": Kind(interleaved_garbage),
    "setup-flood": Kind(setup_flood, locked=False),
    "rtsp-pipelined": Kind(rtsp_pipelined, locked=False),
    "http-pipelined": Kind(http_pipelined, locked=False),
    "churn": Kind(churn),
}
