"""One client's connection: parses requests, sends responses, and connects sessions to the media."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamer.guard.connection_caps import Caps
from streamer.guard.login_throttle import LoginThrottle
from streamer.live.packet import VideoFormat
from streamer.live.rtsp.auth import Authenticator
from streamer.live.rtsp.feed import Feed
from streamer.live.rtsp.message import Interleaved, MessageReader, Request, Response, RtspParseError
from streamer.live.rtsp.session import Control, Session, Sessions, SessionState, Start
from streamer.live.rtsp.viewer import RtspViewer, TcpWire, UdpWire, Wire
from streamer.live.stream_output import StreamOutput

_log = logging.getLogger("veilcast.rtsp")

_CHUNK = 65536
_POLL = 0.05  # seconds between checks whether a stream has its first packet
_MOST_UNREAD = 8 * 1024 * 1024  # bytes of unread packets and responses; a client with more is disconnected


@dataclass(frozen=True)
class RtspLimits:
    """Limits on clients. Times in seconds."""

    clients: Caps = field(default_factory=lambda: Caps(128, 64))
    """Connections, and sessions, in total and per client address. Beyond that, those that do not play are evicted."""
    request: float = 10.0
    """For a request, once begun, or a connection's first request, to be complete."""
    until_play: float = 10.0
    """From connecting until the client plays something; one that has played may be idle for longer."""
    first_packet: float = 5.0
    """For which DESCRIBE and PLAY wait for the stream's first packet."""
    stall: float = 15.0
    """Without progress until a client that does not read is disconnected."""


class Hub:
    """State shared by all connections of one server. For the event loop's thread only."""

    def __init__(
        self,
        streams: Mapping[str, StreamOutput],
        auth: Authenticator | None,
        sessions: Sessions,
        limits: RtspLimits,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.auth, self.sessions, self.limits = auth, sessions, limits
        self.throttle = LoginThrottle()
        self.feeds = {name: Feed(output, loop) for name, output in streams.items()}
        self.viewers: dict[Session, RtspViewer] = {}

    def close(self, session: Session) -> None:
        """Stop sending and release the session's ports."""
        viewer = self.viewers.pop(session, None)
        if viewer is not None:
            self.feeds[session.stream].remove(viewer)
            viewer.wire.close()

    def check_timeouts(self, now: float) -> None:
        """Disconnect clients that have stopped reading, and end sessions that have timed out."""
        for session, viewer in list(self.viewers.items()):
            wire = viewer.wire
            if viewer.lag.stalled_for(wire.written, wire.buffered, now) > self.limits.stall:
                _log.warning("%s has stopped reading: closing its connection", viewer.name)
                viewer.hang_up(True)
                if self.sessions.remove(session):
                    self.close(session)
        for session in self.sessions.expired():
            self.sessions.remove(session)
            self.close(session)
            _log.info("session of %s on %r timed out", session.peer, session.stream)


class Connection:
    """Serves one client until it disconnects. Implements `Media` for its `Control`."""

    def __init__(self, hub: Hub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hub, self._reader, self._writer = hub, reader, writer
        self.peer, self._peer_port = _address(writer, "peername")
        self._host, port = _address(writer, "sockname")
        self._control = Control(hub.sessions, self, hub.auth, hub.throttle, self.peer, self._host, port)
        self._messages = MessageReader()
        self._connected = self._last_request = self._begun = hub.sessions.clock()
        self._opened: list[Session] = []
        self._served = False
        self._busy = False

    @property
    def idle_since(self) -> float | None:
        """Since when it has not been playing; None while it plays."""
        self._opened = [session for session in self._opened if session in self._hub.viewers]
        playing = any(session.state is SessionState.PLAYING for session in self._opened)
        return None if playing else self._last_request

    async def serve(self) -> None:
        """Answer requests until either side disconnects. Raises nothing but CancelledError."""
        try:
            while data := await self._reader.read(_CHUNK):
                if not self._messages.pending:
                    self._begun = self._hub.sessions.clock()
                for message in self._messages.feed(data):
                    await self._take(message)
                    self._begun = self._hub.sessions.clock()
                    if self._writer.transport.is_closing():
                        return
        except RtspParseError as error:
            _log.debug("%s does not speak RTSP: %s", self.peer, error)
            self._send(Response(error.status, (("Connection", "close"),)))
        except OSError:
            pass  # the client disconnected
        finally:
            self._control.end()
            self.hang_up(False)

    def check_timeouts(self, now: float) -> None:
        """Disconnect a client that keeps the server waiting or never plays anything."""
        sessions, limits = self._hub.sessions, self._hub.limits
        patience = limits.until_play + (limits.first_packet if self._busy else 0)
        if not self._control.has_played and now - self._connected > patience:
            self.hang_up(False)
        if self._busy:
            return
        pending = self._messages.pending
        idle = sessions.timeout if self._served else limits.request
        late = pending and now - self._begun > limits.request
        if late or (now - self._last_request > idle and not sessions.of(self._control)):
            if pending:
                self._send(Response(408, (("Connection", "close"),)))
            self.hang_up(False)

    def hang_up(self, at_once: bool) -> None:
        """Close the connection, at once or after sending what is buffered."""
        if at_once:
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def _take(self, message: Request | Interleaved) -> None:
        self._last_request = self._hub.sessions.clock()
        if isinstance(message, Interleaved):
            self._hub.sessions.touch(self._control)
            return
        self._served = self._busy = True
        try:
            await self._control.handle(message, self._send)
        finally:
            self._busy = False
        if self._control.should_disconnect:
            _log.warning("disconnecting %s: too many wrong credentials from its address", self.peer)
            self.hang_up(False)
        # Give other clients' packets a turn before handling the next pipelined request.
        await asyncio.sleep(0)

    def _send(self, response: Response) -> None:
        transport = self._writer.transport
        if transport.is_closing():
            return
        transport.write(bytes(response))
        if transport.get_write_buffer_size() > _MOST_UNREAD:
            self.hang_up(True)

    def has(self, stream: str) -> bool:
        """Whether there is such a stream."""
        return stream in self._hub.feeds

    def ssrc(self, stream: str) -> int:
        """The stream's synchronization source (SSRC)."""
        return self._hub.feeds[stream].rtp.ssrc

    async def format(self, stream: str) -> VideoFormat | None:
        """The stream's format; None if it is not known in time."""
        output, clock = self._hub.feeds[stream].output, self._hub.sessions.clock
        deadline = clock() + self._hub.limits.first_packet
        while (video := output.format) is None and clock() < deadline:
            await asyncio.sleep(_POLL)
        return video

    async def open(self, session: Session) -> tuple[int, int] | None:
        """Prepare to send. Returns the server's UDP ports, or None over TCP. Raises OSError if no ports are free."""
        wire: Wire
        ports = None
        if session.transport.tcp:
            wire = TcpWire(self._writer.transport, session.transport.pair)
        else:
            udp = await UdpWire.open(self._host, self.peer, session.transport.pair, lambda: self._alive(session))
            wire, ports = udp, udp.ports
        self._opened.append(session)
        self._hub.viewers[session] = RtspViewer(f"{self.peer}:{self._peer_port}", wire, self.hang_up)
        return ports

    async def play(self, session: Session, started: Callable[[Start | None], None]) -> None:
        """Send packets. `started` is called once, before the first packet, or with None if none comes in time."""
        viewer = self._hub.viewers[session]
        begun = asyncio.Event()

        def begin(start: Start | None) -> None:
            begun.set()
            started(start)

        viewer.started = begin
        self._hub.feeds[session.stream].add(viewer)
        _log.info("%s plays %r over %s", viewer.name, session.stream, "TCP" if session.transport.tcp else "UDP")
        try:
            await asyncio.wait_for(begun.wait(), self._hub.limits.first_packet)
        except TimeoutError:
            if viewer.started is not None:
                viewer.started = None
                started(None)

    def pause(self, session: Session) -> None:
        """Stop sending packets."""
        self._hub.feeds[session.stream].remove(self._hub.viewers[session])

    def close(self, session: Session) -> None:
        """Release what `open` allocated."""
        self._hub.close(session)

    def _alive(self, session: Session) -> None:
        session.seen = self._hub.sessions.clock()


def _address(writer: asyncio.StreamWriter, which: str) -> tuple[str, int]:
    """Host and port of one end; empty for a client that is already gone."""
    name: tuple[str, int] = writer.get_extra_info(which) or ("", 0)
    return name[0], name[1]
