"""One WebRTC viewer: its peer connection and a track of packets that are already encoded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Literal

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet
from av.stream import Stream

from streamer.live.fanout import ClosedError, Subscription
from streamer.live.packet import TIME_BASE, VideoPacket
from streamer.live.stream_output import StreamOutput
from streamer.live.web.ice_addresses import UdpHosts, restrict_to
from streamer.live.web.key_request import on_key_request
from streamer.live.web.vp8 import SharedVp8, Vp8Packet
from streamer.live.web.whep_sdp import MAX_CANDIDATES, Fragment, OfferError, codec_of, offered_ufrags, usable_offer

_log = logging.getLogger("veilcast.web")

CONNECT_TIME = 15.0  # seconds
_CLOSE_TIME = 2.0  # seconds
_DEPTH = 50  # packets: two seconds at 25 frames/s

ViewerCodec = Literal["H264", "VP8"]


def video_preferences() -> list[RTCRtpCodecCapability]:
    """Codec preferences: H.264 (constrained baseline before baseline), then VP8, both with retransmission."""
    codecs = RTCRtpSender.getCapabilities("video").codecs
    h264 = [codec for codec in codecs if codec.mimeType == "video/H264"]
    h264.sort(key=lambda codec: codec.parameters.get("profile-level-id") != "42e01f")
    return [
        *(codec for codec in h264 if codec.parameters.get("packetization-mode") == "1"),
        *(codec for codec in codecs if codec.mimeType == "video/VP8"),
        *(codec for codec in codecs if codec.mimeType == "video/rtx"),
    ]


class PacketTrack(MediaStreamTrack):
    """Gives a stream's packets to aiortc, which packetizes them without encoding; starts at a key frame.

    Subscribes when aiortc first calls `recv`, which is when the viewer is connected: a viewer that never connects
    costs nothing.
    """

    kind = "video"

    def __init__(self, output: StreamOutput, vp8: SharedVp8, name: str) -> None:
        super().__init__()
        self.codec: ViewerCodec = "H264"
        self._output, self._vp8, self._name = output, vp8, name
        self._network = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._h264_packets: Subscription[VideoPacket] | None = None
        self._vp8_packets: Subscription[Vp8Packet] | None = None

    @property
    def dropped(self) -> int:
        """Packets that this viewer lost because it lagged."""
        return sum(packets.dropped for packets in (self._h264_packets, self._vp8_packets) if packets is not None)

    async def recv(self) -> Packet[Stream]:
        """The next packet. Raises MediaStreamError when the stream or the track has ended."""
        if self.readyState != "live":
            raise MediaStreamError
        packets = self._subscription()
        try:
            while True:
                self._ready.clear()
                item = packets.get_nowait()
                if item is not None:
                    break
                await self._ready.wait()
        except ClosedError:
            raise MediaStreamError from None
        packet = Packet(item.data)
        packet.pts, packet.time_base = item.pts, TIME_BASE
        return packet

    def request_key(self) -> None:
        """Request a key frame from this viewer's encoder."""
        if self.codec == "H264":
            self._output.packets.request_key()
        else:
            self._vp8.request_key()

    def stop(self) -> None:
        """End the track."""
        if self._h264_packets is not None:
            self._h264_packets.close()
        if self._vp8_packets is not None and self.readyState == "live":
            self._vp8.release(self._vp8_packets)
        super().stop()

    def _subscription(self) -> Subscription[VideoPacket] | Subscription[Vp8Packet]:
        if self.codec == "H264":
            if self._h264_packets is None:
                self._h264_packets = self._output.packets.subscribe(self._name, _DEPTH, self._notify)
            return self._h264_packets
        if self._vp8_packets is None:
            self._vp8_packets = self._vp8.subscribe(self._name, _DEPTH, self._notify)
        return self._vp8_packets

    def _notify(self) -> None:
        # If the server was torn down abruptly the loop is closed; that must not disturb the producer.
        with contextlib.suppress(RuntimeError):
            self._network.call_soon_threadsafe(self._ready.set)


class WebViewer:
    """A WHEP session. `ended` is called once, from the event loop, when the viewer is gone or the stream has ended.

    `id` identifies the session and cannot be guessed, `etag` identifies its ICE session, `client` is the key for caps.
    It started at `since`, in seconds of `time.monotonic()`. Its UDP ports are on `hosts`.
    """

    def __init__(
        self,
        output: StreamOutput,
        vp8: SharedVp8,
        servers: Sequence[RTCIceServer],
        hosts: UdpHosts,
        client: str,
        ended: Callable[[WebViewer], None],
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.etag = f'"{secrets.token_urlsafe(8)}"'
        self.stream, self.client = output.name, client
        self.since = time.monotonic()
        self._hosts = hosts
        self._ended: Callable[[WebViewer], None] | None = ended
        self._candidates = 0
        self._ufrags: frozenset[str] = frozenset()
        self._track = PacketTrack(output, vp8, f"webrtc-{self.id[:6]}")
        # An explicit list, even if empty: None would select aiortc's default public servers.
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=list(servers)))
        transceiver = self._peer.addTransceiver(self._track, "sendonly")
        transceiver.setCodecPreferences(video_preferences())
        on_key_request(transceiver.sender, self._track.request_key)
        self._track.on("ended", self._end)
        self._peer.on("connectionstatechange", self._state_changed)
        self._deadline = asyncio.get_running_loop().call_later(CONNECT_TIME, self._end)

    @property
    def connected(self) -> bool:
        """Whether the peer connection is established."""
        return self._peer.connectionState == "connected"

    @property
    def codec(self) -> ViewerCodec:
        """The codec in use, once the offer is answered."""
        return self._track.codec

    @property
    def dropped(self) -> int:
        """Packets that this viewer lost because it lagged."""
        return self._track.dropped

    async def answer(self, offer: str) -> str:
        """The SDP answer with all candidates. Raises SdpError, OfferError."""
        text = usable_offer(offer)
        self._ufrags = offered_ufrags(text)
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(text, "offer"))
            restrict_to(self._peer, self._hosts)
            answer = await self._peer.createAnswer()
            codec = codec_of(answer.sdp)
            self._track.codec = "H264" if codec == "H264" else "VP8"
            await self._peer.setLocalDescription(answer)
        except (OperationError, ValueError, KeyError, AssertionError) as error:
            raise OfferError(str(error) or "the offer cannot be answered") from error
        except Exception as error:  # aiortc assumes more about an offer than a hostile one provides
            _log.debug("an offer cannot be answered: %s", type(error).__name__)
            raise OfferError("the offer cannot be answered") from error
        return self._peer.localDescription.sdp

    async def trickle(self, fragment: Fragment) -> None:
        """Add candidates. Raises OfferError if the fragment belongs to another ICE session (an ICE restart)."""
        if fragment.ufrag is not None and fragment.ufrag not in self._ufrags:
            raise OfferError("ICE restarts are not supported")
        for candidate in fragment.candidates:
            if self._candidates >= MAX_CANDIDATES:
                return
            self._candidates += 1
            try:
                await self._peer.addIceCandidate(candidate)
            except Exception as error:
                _log.debug("a candidate was rejected: %s", type(error).__name__)
                raise OfferError("a candidate cannot be used") from error

    async def close(self) -> None:
        """Disconnect the viewer (RTCP BYE, DTLS close) and release everything."""
        self._ended = None
        self._deadline.cancel()
        self._track.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._peer.close(), _CLOSE_TIME)

    def _state_changed(self) -> None:
        if self.connected:
            self._deadline.cancel()
            _log.info("%s: a WebRTC viewer joins (%s)", self.stream, self.codec)
        elif self._peer.connectionState in ("failed", "closed"):
            self._end()

    def _end(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self)
