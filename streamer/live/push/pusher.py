"""Publishes a stream to an RTSP server (ANNOUNCE, RECORD): MediaMTX, go2rtc, an NVR."""

from __future__ import annotations

import logging
import re
import time

from core.owned_thread import POLL, OwnedThread
from streamer.live.fanout import ClosedError, Subscription
from streamer.live.packet import CLOCK, VideoFormat, VideoPacket
from streamer.live.push.process import PushProcess
from streamer.live.push.worker import PushJob
from streamer.live.stream_output import StreamOutput
from streamer.redact import redacted
from streamer.runtime.backoff import Backoff
from streamer.settings.rtsp import PushConfig

_LOG = logging.getLogger("veilcast.push")
_DEPTH = 100  # packets: how far a server may lag, 4 s at 25 frames per second
_RETRY = (0.5, 3.0)  # seconds, first and longest: short, so that a server that comes back is found soon
_LASTING = 5.0  # seconds that a connection must last for the backoff to be reset
_GOODBYE = 2.0  # seconds for TEARDOWN before the process is killed


class PushError(Exception):
    """The connection to the server failed; the text says why."""


class Pusher:
    """Publishes `output` to `url`, in a thread and a process of its own, and reconnects forever.

    Every connection starts at a key frame. `url` may contain credentials; no attribute or message shows them. Raises
    ValueError if `url` is not an RTSP address.
    """

    def __init__(self, output: StreamOutput, url: str, config: PushConfig) -> None:
        if not re.fullmatch(r"rtsps?://\S+", url):
            raise ValueError(f"a push address must begin with rtsp:// or rtsps://, unlike {redacted(url)!r}")
        self.target = redacted(url)
        """The address without credentials."""
        self.connected_since: float | None = None
        """Since when the server has been accepting the stream, in seconds of `time.time()`; None while disconnected."""
        self.reconnects = 0
        """Connections after the first one."""
        self._output, self._url, self._config = output, url, config
        self._thread = OwnedThread(f"veilcast-push-{output.name}", self._run)
        self._subscription: Subscription[VideoPacket] | None = None
        self._dropped = 0
        self._trouble: str | None = None
        self._connections = 0

    @property
    def drops(self) -> int:
        """Packets lost because the server was slow; packets published while disconnected do not count."""
        subscription = self._subscription
        return self._dropped + (0 if subscription is None else subscription.dropped)

    @property
    def trouble(self) -> str | None:
        """Why nothing is being pushed, or None."""
        if self._thread.error is not None:
            return redacted(f"pushing to {self.target} failed: {self._thread.error}")
        return self._trouble

    def start(self) -> None:
        """Start connecting."""
        self._thread.start()

    def close(self, timeout: float = 3.0) -> bool:
        """Disconnect (TEARDOWN) and stop; False if that took longer than `timeout` seconds."""
        return self._thread.close(timeout)

    def _run(self) -> None:
        backoff = Backoff(*_RETRY)
        while not self._thread.stopping.is_set():
            try:
                self._session()
            except ClosedError:
                return
            except (PushError, OSError) as error:
                since = self.connected_since
                if since is not None and time.time() - since >= _LASTING:
                    backoff.reset()
                self._fail(str(error))
                self.connected_since = None
                self._thread.stopping.wait(backoff.next())
            finally:
                self.connected_since = None

    def _session(self) -> None:
        """One connection, until the stream's format changes, it is closed (ClosedError) or it fails."""
        first = self._next_of(self._subscribe())
        process = PushProcess(self._job(first.format))
        try:
            # The first packet supplies the SDP. Packets published while the connection is set up are not sent.
            process.offer(first, 0)
            self._unsubscribe()
            while not process.connected:
                self._pump(process)
            self._connected()
            self._feed(process, first.format)
        finally:
            self._unsubscribe()
            process.end(_GOODBYE)

    def _feed(self, process: PushProcess, format: VideoFormat) -> None:
        begun, base = time.monotonic(), None
        subscription = self._subscribe()
        while True:
            packet = self._next_of(subscription, process)
            if packet.format != format:
                # The server can only learn of the new format from a new connection.
                return
            if base is None:
                # FFmpeg's RTCP sender reports map pts 0 to the time of connecting (RFC 3550, 6.4.1).
                base = packet.pts - max(1, round((time.monotonic() - begun) * CLOCK))
            process.offer(packet, packet.pts - base)
            while process.pending:
                self._pump(process)

    def _next_of(self, subscription: Subscription[VideoPacket], process: PushProcess | None = None) -> VideoPacket:
        while True:
            packet = subscription.get(POLL)
            if self._thread.stopping.is_set():
                raise ClosedError(self._output.name)
            if packet is not None:
                return packet
            if process is not None:
                process.pump(0)
                self._check(process)

    def _pump(self, process: PushProcess) -> None:
        process.pump(POLL)
        if self._thread.stopping.is_set():
            raise ClosedError(self._output.name)
        self._check(process)

    def _check(self, process: PushProcess) -> None:
        if process.ended:
            raise PushError(process.cause)

    def _subscribe(self) -> Subscription[VideoPacket]:
        self._subscription = self._output.packets.subscribe("push", _DEPTH)
        return self._subscription

    def _unsubscribe(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()
            self._dropped += subscription.dropped

    def _job(self, format: VideoFormat) -> PushJob:
        return {
            "url": self._url,
            "transport": self._config.transport,
            "width": format.width,
            "height": format.height,
            "rate": str(format.rate),
            "timeout": self._config.timeout,
        }

    def _connected(self) -> None:
        self._trouble, self.connected_since = None, time.time()
        self.reconnects = self._connections
        self._connections += 1
        _LOG.info(f"pushing to {self.target}", extra={"stream": self._output.name})

    def _fail(self, cause: str) -> None:
        self._trouble = redacted(f"cannot push to {self.target}: {cause}")
        _LOG.warning(self._trouble, extra={"stream": self._output.name})
