"""A web server for a test stream, and a WHEP client without a browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtcpPsfbPacket
from av import VideoFrame

from streamer.guard.http_pace import PaceLimits
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.live.web.server import WebServer
from streamer.runtime.event_loop import LoopThread
from streamer.settings.web import WebConfig
from tests.rigs.live.producing import number_of
from tests.rigs.live.web_client import web_client

WAIT = 15.0  # seconds
SDP = {"Content-Type": "application/sdp"}


@contextmanager
def serving(
    streams: Mapping[str, StreamOutput], config: WebConfig | None = None, limits: PaceLimits | None = None
) -> Iterator[WebServer]:
    """A started server on a loop of its own."""
    with LoopThread() as network:
        server = WebServer(streams, config or WebConfig(), limits)
        network.run(server.start("127.0.0.1", 0), WAIT)
        try:
            yield server
        finally:
            network.run(server.close(), WAIT)


def until(what: Callable[[], bool], timeout: float = WAIT) -> None:
    """Wait for it; fails when it takes longer."""
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


async def soon(what: Callable[[], bool], timeout: float = WAIT) -> None:
    """The same for coroutines."""
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


class WhepClient:
    """Watches one stream and reads the numbers of its pictures; `codec` is the only one it offers."""

    def __init__(self, url: str, codec: str = "H264", audio: bool = False, token: str | None = None) -> None:
        self.url = url
        self.numbers: list[int] = []
        self.location = ""
        self.etag = ""
        self.over = asyncio.Event()
        """Set when the server has ended the stream."""
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._codec, self._audio = codec, audio
        self._headers = SDP if token is None else {**SDP, "Authorization": f"Bearer {token}"}
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> WhepClient:
        offer = await self.offer()
        async with web_client() as http:
            answer = await http.post(self.url, content=offer, headers=self._headers)
            assert answer.status_code == 201, answer.text
            self.location, self.etag = answer.headers["Location"], answer.headers["ETag"]
            await self.peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.peer.close()
        if self._reader is not None:
            await self._reader

    async def offer(self) -> str:
        """The SDP that it would post."""
        if self._audio:
            self.peer.addTransceiver("audio", "recvonly")
        transceiver = self.peer.addTransceiver("video", "recvonly")
        known = RTCRtpReceiver.getCapabilities("video")
        assert known is not None
        wanted = [codec for codec in known.codecs if codec.name in (self._codec, "rtx")]
        transceiver.setCodecPreferences(wanted)
        self.peer.on("track", self._take)
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return self.peer.localDescription.sdp

    async def feedback(self, fmt: int) -> None:
        """Send a payload-specific RTCP message, such as PLI, about the picture."""
        receiver = next(t.receiver for t in self.peer.getTransceivers() if t.kind == "video")
        [source] = receiver.getSynchronizationSources()
        fci = source.source.to_bytes(4, "big") + bytes([1, 0, 0, 0]) if fmt == 4 else b""
        packet = RtcpPsfbPacket(fmt=fmt, ssrc=1, media_ssrc=source.source, fci=fci)
        await receiver.transport._send_rtp(bytes(packet))

    def _take(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._reader = asyncio.ensure_future(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, VideoFrame)
                self.numbers.append(number_of(frame.to_ndarray(format="bgr24").astype(np.uint8)))
        except MediaStreamError:
            self.over.set()


def run(server: WebServer, test: Callable[[str], Coroutine[None, None, None]]) -> None:
    """Run the client's side with the address of the stream `door`."""
    asyncio.run(asyncio.wait_for(test(f"http://127.0.0.1:{server.port}/whep/door"), 60))


def quiet() -> StreamOutput:
    """A stream that publishes nothing."""
    return StreamOutput("door", lambda: Snapshot("door"))
