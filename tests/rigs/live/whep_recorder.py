"""Watches a WebRTC stream and writes its H.264 pictures, undecoded, to a file: URL FILE. Ends on SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc import rtcrtpreceiver as receiving
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from tests.rigs.live.web_client import web_client


class _Writer(Decoder):
    """Replaces aiortc's decoder, where packets arrive complete and in order."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def decode(self, encoded_frame: JitterFrame) -> list[object]:  # type: ignore[override]
        self._file.write(encoded_frame.data)
        self._file.flush()
        return []


async def watch(url: str, file: BinaryIO) -> None:
    """Run until SIGINT, SIGTERM or the end of the session."""

    def decoder(codec: RTCRtpCodecParameters) -> Decoder:
        assert codec.name.upper() == "H264", codec.name
        return _Writer(file)

    receiving.get_decoder = decoder  # type: ignore[attr-defined]
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    tracks: list[MediaStreamTrack] = []
    peer.on("track", tracks.append)
    transceiver = peer.addTransceiver("video", "recvonly")
    known = RTCRtpReceiver.getCapabilities("video")
    assert known is not None
    transceiver.setCodecPreferences([codec for codec in known.codecs if codec.name in ("H264", "rtx")])
    await peer.setLocalDescription(await peer.createOffer())
    headers = {"Content-Type": "application/sdp"}
    async with web_client() as http:
        answer = await http.post(url, content=peer.localDescription.sdp, headers=headers)
        assert answer.status_code == 201, answer.text
        await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        location = answer.headers["Location"]
        sys.stdout.write("watching\n")
        sys.stdout.flush()
        await over.wait()
        await http.delete(answer.url.join(location))
    await peer.close()


def main() -> None:
    url, path = sys.argv[1:]
    with Path(path).open("wb") as file:
        asyncio.run(watch(url, file))


if __name__ == "__main__":
    main()
