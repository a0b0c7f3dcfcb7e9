"""CPU share of the server per WebRTC viewer, at 720p25 and 2 Mbit/s.

The stream is encoded beforehand and replayed, so what is measured is the fan-out alone. The viewers are aiortc clients
in a process of their own that take packets and do not decode them.

    python -m tests.bench.bench_fanout_webrtc --viewers 1 5 20 --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from multiprocessing.connection import Connection

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription

from core.owned_thread import OwnedThread
from streamer.live.encoder import LiveEncoder
from streamer.live.packet import CLOCK, VideoPacket
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.live.web.server import WebServer
from streamer.runtime.event_loop import LoopThread
from streamer.settings.encoder import LiveEncoderConfig
from streamer.settings.web import WebConfig
from tests.rigs.live.producing import masked
from tests.rigs.live.web_client import web_client

WIDTH, HEIGHT, RATE = 1280, 720, 25
SETTLE = 4.0  # seconds


def recorded(kbps: int, pictures: int = 50) -> list[VideoPacket]:
    """One group of pictures of about that bit rate."""
    frames = [masked(number, WIDTH, HEIGHT, RATE) for number in range(pictures)]
    best: list[VideoPacket] = []
    for crf in range(16, 45, 2):
        encoder = LiveEncoder(WIDTH, HEIGHT, Fraction(RATE), LiveEncoderConfig(crf=crf, max_kbps=2 * kbps))
        step = CLOCK // RATE
        best = [packet for n, frame in enumerate(frames) for packet in encoder.encode(frame, n * step, 0.0, key=n == 0)]
        if bits(best) <= kbps * 1000:
            break
    return best


def bits(packets: list[VideoPacket]) -> float:
    """Bits a second."""
    return sum(len(packet.data) for packet in packets) * 8 * RATE / len(packets)


def forever(packets: list[VideoPacket]) -> Iterator[VideoPacket]:
    number = 0
    while True:
        packet = packets[number % len(packets)]
        yield replace(packet, pts=number * CLOCK // RATE)
        number += 1


def watch(pipe: Connection, port: int, viewers: int) -> None:
    """In a process of its own: keep that many viewers connected until told otherwise; send how many packets came."""
    asyncio.run(_watch(pipe, port, viewers))


async def _watch(pipe: Connection, port: int, viewers: int) -> None:
    received = 0

    async def count(self: RTCRtpReceiver, packet: object, arrival_time_ms: int) -> None:
        nonlocal received
        received += 1

    RTCRtpReceiver._handle_rtp_packet = count  # type: ignore[method-assign]
    peers = []
    async with web_client() as session:
        for _ in range(viewers):
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            peers.append(peer)
            peer.addTransceiver("video", "recvonly")
            await peer.setLocalDescription(await peer.createOffer())
            url = f"http://127.0.0.1:{port}/whep/door"
            headers = {"Content-Type": "application/sdp"}
            answer = await session.post(url, content=peer.localDescription.sdp, headers=headers)
            assert answer.status_code == 201, answer.status_code
            await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
    while any(peer.connectionState != "connected" for peer in peers):
        await asyncio.sleep(0.05)
    pipe.send(viewers)
    while True:
        while not pipe.poll():
            await asyncio.sleep(0.05)
        if pipe.recv() == "end":
            break
        pipe.send(received)
    await asyncio.gather(*(peer.close() for peer in peers))


def measure(output: StreamOutput, viewers: int, seconds: float) -> tuple[float, float]:
    """Share of a core that this process takes with so many viewers, and packets a second that each of them gets."""
    with LoopThread() as network:
        server = WebServer({"door": output}, WebConfig(max_viewers=100))
        network.run(server.start("127.0.0.1", 0), 5)
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(target=watch, args=(theirs, server.port, viewers))
        process.start()
        try:
            if not ours.poll(60):
                raise TimeoutError("the viewers did not connect")
            ours.recv()
            time.sleep(SETTLE)
            ours.send("count")
            before, cpu, begun = ours.recv(), time.process_time(), time.monotonic()
            time.sleep(seconds)
            share = (time.process_time() - cpu) / (time.monotonic() - begun)
            ours.send("count")
            each = (ours.recv() - before) / seconds / max(1, viewers)
            ours.send("end")
            process.join(20)
        finally:
            process.kill()
            network.run(server.close(), 5)
    return share, each


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--kbps", type=int, default=2000)
    arguments = parser.parse_args()
    packets = recorded(arguments.kbps)
    output = StreamOutput("door", lambda: Snapshot("door"))

    def publish() -> None:
        begun = time.monotonic()
        for number, packet in enumerate(forever(packets)):
            if thread.stopping.wait(max(0.0, begun + number / RATE - time.monotonic())):
                return
            output.publish(packet)

    thread = OwnedThread("veilcast-bench-producer", publish)
    thread.start()
    try:
        lines = [f"{WIDTH}x{HEIGHT} at {RATE} frames/s, {bits(packets) / 1e6:.2f} Mbit/s"]
        alone, _ = measure(output, 0, arguments.seconds)
        lines.append(f"{0:3d} viewers: {100 * alone:5.1f} % of a core")
        for viewers in arguments.viewers:
            share, each = measure(output, viewers, arguments.seconds)
            per = 100 * (share - alone) / viewers
            cost = f"{100 * share:5.1f} % of a core, {per:.2f} % per viewer"
            lines.append(f"{viewers:3d} viewers: {cost}, {each:.0f} packets/s each")
    finally:
        thread.close()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    assert threading.current_thread() is threading.main_thread()
    raise SystemExit(main())
