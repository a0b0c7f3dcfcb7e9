"""The process that speaks RTSP for a pusher: packets come on stdin, what became of them goes to stdout.

A process of its own, for FFmpeg's RTSP muxer connects, sends and says goodbye in calls that cannot be interrupted and
that PyAV makes without releasing the GIL: a server that hangs would stop everything. Here an alarm ends the process.
It is run by its path and imports nothing of this program, so that it starts fast and stays small.
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
"""Before every packet: pts and duration in 1/90000 s, whether it is a key frame, bytes that follow."""
LENGTH: Final = struct.Struct("<I")
"""Before the order: its bytes."""
_TIME_BASE = Fraction(1, 90_000)
_GOODBYE = 1.0  # seconds that TEARDOWN may take


class Order(TypedDict):
    """What to do, as JSON. `rate` is frames a second as "25/1", `patience` the seconds that a call may take."""

    url: str
    transport: str
    width: int
    height: int
    rate: str
    patience: float


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """The default action of this signal ends the process, whatever a library is doing."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _tell(key: str, value: str) -> None:
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


def _publish(container: OutputContainer, order: Order) -> None:
    stream = container.add_mux_stream(
        "h264", rate=Fraction(order["rate"]), width=order["width"], height=order["height"], time_base=_TIME_BASE
    )
    connected = False
    for packet in _packets():
        packet.stream = stream
        with _within(order["patience"]):
            # The first one brings SPS and PPS for the SDP; connecting, ANNOUNCE and RECORD are inside this call.
            container.mux(packet)
        if not connected:
            connected = True
            _tell("state", "connected")
    with _within(_GOODBYE):
        container.close()


def main() -> int:
    """Exit code 0 after a goodbye, 1 after an error that was told."""
    # The parent decides when this ends: it closes stdin, and it is gone when that happens by itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    av.logging.set_level(None)
    order: Order = json.loads(sys.stdin.buffer.read(LENGTH.unpack(sys.stdin.buffer.read(LENGTH.size))[0]))
    try:
        options = {"rtsp_transport": order["transport"], "fflags": "+bitexact+flush_packets"}
        _publish(av.open(order["url"], "w", format="rtsp", container_options=options), order)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent is to know
        _tell("error", str(getattr(error, "strerror", None) or error))
        return 1
    return 0


if __name__ == "__main__":
    # No clean-up by destructors: they would speak to the server again.
    os._exit(main())
