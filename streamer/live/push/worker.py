"""The process that speaks RTSP for a pusher: packets arrive on stdin, state and errors go to stdout.

It is a separate process because FFmpeg's RTSP muxer connects, sends and disconnects in calls that cannot be
interrupted, and PyAV holds the GIL during them: a server that hangs would block the whole program. Here an alarm ends
the process. It is run by path and imports nothing from this program, so it starts fast and stays small.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Final, TypedDict

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

HEAD: Final = struct.Struct("<qqBI")
"""Header of every packet: pts and duration in 1/90000 s, key frame flag, number of bytes that follow."""
LENGTH: Final = struct.Struct("<I")
"""Header of the job: number of bytes that follow."""
_TIME_BASE = Fraction(1, 90_000)
_GOODBYE = 1.0  # seconds that TEARDOWN may take


class PushJob(TypedDict):
    """What to do, as JSON. `rate` is frames per second, like "25/1"; `timeout` is the most seconds a call may take."""

    url: str
    transport: str
    width: int
    height: int
    rate: str
    timeout: float


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Limit the block to `seconds`: SIGALRM's default action ends the process, whatever a library is doing."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _report(key: str, value: str) -> None:
    os.write(1, json.dumps({key: value}).encode() + b"\n")


def _packets() -> Iterator[Packet[Stream]]:
    while len(head := sys.stdin.buffer.read(HEAD.size)) == HEAD.size:
        pts, duration, key, size = HEAD.unpack(head)
        data = sys.stdin.buffer.read(size)
        if len(data) < size:
            return
        packet = Packet(data)
        packet.pts = packet.dts = pts
        packet.duration, packet.is_keyframe, packet.time_base = duration, bool(key), _TIME_BASE
        yield packet


def _publish(container: OutputContainer, job: PushJob) -> None:
    stream = container.add_mux_stream(
        "h264", rate=Fraction(job["rate"]), width=job["width"], height=job["height"], time_base=_TIME_BASE
    )
    connected = False
    for packet in _packets():
        packet.stream = stream
        with _within(job["timeout"]):
            # The first packet has the SPS and PPS for the SDP; this call then connects, sends ANNOUNCE and RECORD.
            container.mux(packet)
        if not connected:
            connected = True
            _report("state", "connected")
    with _within(_GOODBYE):
        container.close()


def main() -> int:
    """Exit code 0 after TEARDOWN, 1 after an error that was reported."""
    # The parent ends this process by closing stdin, which also happens if the parent dies.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    av.logging.set_level(None)
    job: PushJob = json.loads(sys.stdin.buffer.read(LENGTH.unpack(sys.stdin.buffer.read(LENGTH.size))[0]))
    try:
        options = {"rtsp_transport": job["transport"], "fflags": "+bitexact+flush_packets"}
        _publish(av.open(job["url"], "w", format="rtsp", container_options=options), job)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must know
        _report("error", str(getattr(error, "strerror", None) or error))
        return 1
    return 0


if __name__ == "__main__":
    # Skip destructors: they would contact the server again.
    os._exit(main())
