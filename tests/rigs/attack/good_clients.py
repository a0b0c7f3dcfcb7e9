"""Good clients, each a process of its own that writes a line of JSON for everything that happens to it.

    python -m tests.rigs.attack.good_clients rtsp|whep|newcomers RTSP_PORT WEB_PORT [CREDENTIALS]

`rtsp` and `whep` watch the stream `door` and come back when they are thrown out: {"at": time, "event": "picture"} for
every picture. `newcomers` come once a second, over RTSP, to the page and over WebRTC, and leave again when they are
served: {"at", "event": "comes", "who": "rtsp"|"page"|"whep", "began": time}, then {"at", "event": who, "began", "took":
seconds or null, "why"}. CREDENTIALS is USER:PASSWORD:TOKEN.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc import rtcrtpreceiver as receiving
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from tests.rigs.live.web_client import web_client

NEWCOMER_WAITS: Final = 8.0
"""Seconds after which a newcomer gives up."""
_EVERY: Final = 1.0
_AGAIN: Final = 0.3


@dataclass(frozen=True)
class Where:
    """The service and the credentials it requires."""

    rtsp: int
    web: int
    account: str = ""
    token: str = ""

    @property
    def rtsp_headers(self) -> str:
        """Lines that every RTSP request needs."""
        if not self.account:
            return ""
        return f"Authorization: Basic {base64.b64encode(self.account.encode()).decode()}\r\n"

    @property
    def web_headers(self) -> dict[str, str]:
        """Headers that every guarded page needs."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class _Refused(Exception):  # noqa: N818 - an answer more than an error
    pass


def tell(event: str, **more: object) -> None:
    """Print a line and flush."""
    sys.stdout.write(json.dumps({"at": time.time(), "event": event, **more}) + "\n")
    sys.stdout.flush()


async def watch_rtsp(where: Where, picture: Callable[[], bool]) -> None:
    """Play over TCP; `picture` is called for each picture until it returns True. Raises _Refused, OSError, EOFError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", where.rtsp)
    url, session = f"rtsp://127.0.0.1:{where.rtsp}/door", ""
    try:
        for number, (method, path, more) in enumerate(
            (
                ("DESCRIBE", url, "Accept: application/sdp\r\n"),
                ("SETUP", f"{url}/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
                ("PLAY", url, ""),
            ),
            1,
        ):
            head = f"{method} {path} RTSP/1.0\r\nCSeq: {number}\r\n{where.rtsp_headers}{session}{more}\r\n"
            writer.write(head.encode())
            status, headers = await _answer(reader)
            if status != 200:
                raise _Refused(f"{method}: {status}")
            if "session" in headers:
                session = f"Session: {headers['session'].partition(';')[0]}\r\n"
        while True:
            channel, data = await _frame(reader)
            # The marker bit ends a picture.
            if channel == 0 and len(data) > 12 and data[1] & 0x80 and picture():
                return
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    await reader.readexactly(int(headers.get("content-length", 0)))
    return int(lines[0].split()[1]), headers


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readexactly(4)
    if head[:1] != b"$":
        raise _Refused("no interleaved frame")
    return head[1], await reader.readexactly(head[2] * 256 + head[3])


class _Counter(Decoder):
    """Replaces aiortc's decoder, where complete pictures arrive."""

    def __init__(self, picture: Callable[[], object]) -> None:
        self._picture = picture

    def decode(self, encoded_frame: JitterFrame) -> list[object]:  # type: ignore[override]
        self._picture()
        return []


async def watch_whep(where: Where, picture: Callable[[], bool]) -> None:
    """Watch over WebRTC; `picture` as above, in another thread. Raises _Refused, OSError."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()

    def count() -> None:
        if picture():
            loop.call_soon_threadsafe(over.set)

    def decoder(codec: RTCRtpCodecParameters) -> Decoder:
        return _Counter(count)

    receiving.get_decoder = decoder  # type: ignore[attr-defined]
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.on("connectionstatechange", lambda: over.set() if peer.connectionState in ("failed", "closed") else None)
    url = f"http://127.0.0.1:{where.web}/whep/door"
    try:
        transceiver = peer.addTransceiver("video", "recvonly")
        known = RTCRtpReceiver.getCapabilities("video")
        assert known is not None
        transceiver.setCodecPreferences([codec for codec in known.codecs if codec.name in ("H264", "rtx")])
        await peer.setLocalDescription(await peer.createOffer())
        headers = {"Content-Type": "application/sdp", **where.web_headers}
        async with web_client() as http:
            answer = await http.post(url, content=peer.localDescription.sdp, headers=headers)
            if answer.status_code != 201:
                raise _Refused(f"WHEP: {answer.status_code}")
            location = str(answer.url.join(answer.headers["Location"]))
            await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
            try:
                await over.wait()
            finally:
                await http.delete(location, headers=where.web_headers)
    finally:
        await peer.close()


async def open_page(where: Where) -> None:
    """The page and the list of streams. Raises _Refused, OSError."""
    async with web_client() as http:
        for path, headers in (("door", {}), ("api/streams", where.web_headers)):
            answer = await http.get(f"http://127.0.0.1:{where.web}/{path}", headers=headers)
            if answer.status_code != 200:
                raise _Refused(f"/{path}: {answer.status_code}")


_FAILURES: Final = (_Refused, OSError, EOFError, httpx.HTTPError, asyncio.IncompleteReadError, ValueError)


async def _stay(watch: Callable[[Where, Callable[[], bool]], Coroutine[None, None, None]], where: Where) -> None:
    def picture() -> bool:
        tell("picture")
        return False

    while True:
        try:
            await watch(where, picture)
            tell("gone", why="the stream ended")
        except _FAILURES as error:
            tell("gone", why=f"{type(error).__name__}: {error}"[:200])
        await asyncio.sleep(_AGAIN)


async def _come_and_go(kind: str, visit: Callable[[], Coroutine[None, None, None]]) -> None:
    while True:
        begun, why, took = time.time(), "", None
        tell("comes", who=kind, began=begun)
        try:
            await asyncio.wait_for(visit(), NEWCOMER_WAITS)
            took = round(time.time() - begun, 3)
        except TimeoutError:
            why = f"not within {NEWCOMER_WAITS:g} s"
        except _FAILURES as error:
            why = f"{type(error).__name__}: {error}"[:200]
        tell(kind, began=begun, took=took, why=why)
        await asyncio.sleep(max(0.1, begun + _EVERY - time.time()))


async def _newcomers(where: Where) -> None:
    await asyncio.gather(
        _come_and_go("rtsp", lambda: watch_rtsp(where, lambda: True)),
        _come_and_go("page", lambda: open_page(where)),
        _come_and_go("whep", lambda: watch_whep(where, lambda: True)),
    )


def main() -> None:
    """Run until killed."""
    kind, rtsp, web, *rest = sys.argv[1:]
    account, _, token = (rest[0] if rest else "").rpartition(":")
    where = Where(int(rtsp), int(web), account, token)
    work = {"rtsp": _stay(watch_rtsp, where), "whep": _stay(watch_whep, where), "newcomers": _newcomers(where)}
    mine = work.pop(kind)
    for other in work.values():
        other.close()
    asyncio.run(mine)


if __name__ == "__main__":
    main()
