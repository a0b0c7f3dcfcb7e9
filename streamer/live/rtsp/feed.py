"""Takes one stream's packets and sends them to all clients that play it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import Final

from streamer.live.fanout import ClosedError, Subscription
from streamer.live.packet import CLOCK, VideoPacket
from streamer.live.rtsp.rtp import RtpStream
from streamer.live.rtsp.viewer import RtspViewer
from streamer.live.stream_output import StreamOutput

REPORT_INTERVAL: Final = 3.0
"""Seconds between sender reports."""

_DEPTH = 64  # pictures by which the event loop may lag
_LAG = 2 * CLOCK  # ticks by which a client may lag, converted to bytes ...
_LEAST_LAG, _MOST_LAG = 512 * 1024, 4 * 1024 * 1024  # ... within these bounds, in bytes


class Feed:
    """Subscribes to the stream's packets while any client plays. For the event loop's thread only."""

    def __init__(self, output: StreamOutput, loop: asyncio.AbstractEventLoop) -> None:
        self.output = output
        self.rtp = RtpStream()
        self._loop = loop
        self._viewers: dict[RtspViewer, None] = {}
        self._subscription: Subscription[VideoPacket] | None = None
        self._scheduled = False
        self._late = self._departed = 0
        self._lately: deque[tuple[int, int]] = deque()
        self._lately_size = 0
        self._reported = float("-inf")

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def drops(self) -> dict[str, int]:
        """Packets lost by each lagging client, by departed clients, and by everyone because the event loop lagged."""
        drops = {viewer.name: viewer.lag.dropped for viewer in self._viewers}
        late = self._late + (self._subscription.dropped if self._subscription else 0)
        return {name: lost for name, lost in (drops | {"departed": self._departed, "server": late}).items() if lost}

    @property
    def bound(self) -> int:
        """Bytes by which a client may lag: about two seconds of stream."""
        return min(max(self._lately_size, _LEAST_LAG), _MOST_LAG)

    def add(self, viewer: RtspViewer) -> None:
        """Start sending to this client at the next key frame."""
        viewer.lag.restart()
        self._viewers[viewer] = None
        if self._subscription is None:
            self._subscription = self.output.packets.subscribe("rtsp", _DEPTH, self._notify)
        else:
            self.output.packets.request_key()

    def remove(self, viewer: RtspViewer) -> None:
        """Stop sending to this client."""
        if viewer in self._viewers:
            del self._viewers[viewer]
            self._departed += viewer.lag.dropped
            viewer.lag.dropped = 0
        if not self._viewers:
            self._end()

    def close(self) -> None:
        """Send RTCP BYE to all clients and disconnect them."""
        for viewer in list(self._viewers):
            viewer.wire.control(self.rtp.bye())
            viewer.hang_up(False)
        self._viewers.clear()
        self._end()

    def _end(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._late += self._subscription.dropped
            self._subscription = None

    def _notify(self) -> None:
        # Runs in the producer's thread. One scheduled call handles everything that arrives before it runs.
        if not self._scheduled:
            self._scheduled = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: there are no clients left
                self._loop.call_soon_threadsafe(self._pump)

    def _pump(self) -> None:
        self._scheduled = False
        try:
            while self._subscription is not None and (packet := self._subscription.get_nowait()) is not None:
                self._send(packet)
        except ClosedError:
            self.close()

    def _send(self, packet: VideoPacket) -> None:
        burst = self.rtp.packetize(packet)
        self._measure(packet.pts, burst.size)
        bound = self.bound
        sent_to = []
        for viewer in list(self._viewers):
            waited = viewer.lag.wants_key
            if viewer.offer(burst, bound, self._report):
                sent_to.append(viewer)
            elif viewer.lag.wants_key and not waited:
                self.output.packets.request_key()
        if time.monotonic() - self._reported >= REPORT_INTERVAL and (report := self._report()) is not None:
            self._reported = time.monotonic()
            for viewer in sent_to:
                viewer.wire.control(report)

    def _report(self) -> bytes | None:
        return self.rtp.report(time.time())

    def _measure(self, pts: int, size: int) -> None:
        self._lately.append((pts, size))
        self._lately_size += size
        while pts - self._lately[0][0] > _LAG:
            self._lately_size -= self._lately.popleft()[1]
