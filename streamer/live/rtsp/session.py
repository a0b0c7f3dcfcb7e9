"""RTSP sessions, their states, and the responses to requests (RFC 2326, appendix A). No sockets here."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from yarl import URL

from streamer.guard.connection_caps import Caps, FullError, Slot, client_key, pick_eviction
from streamer.guard.login_throttle import LoginThrottle
from streamer.live.packet import VideoFormat
from streamer.live.rtsp.auth import Authenticator, LoginVerdict
from streamer.live.rtsp.message import TRACK, Address, Request, Response
from streamer.live.rtsp.sdp import describe
from streamer.live.rtsp.transport import Transport, choose

METHODS: Final = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN")
_REFUSED = ("ANNOUNCE", "RECORD", "REDIRECT")  # known methods that a play-only server does not support
_WRONG_TRIES = 5  # wrong credentials after which a connection is closed
_SILENT = 15.0  # seconds without a request or receiver report (sent every five): the client may be gone


class SessionState(Enum):
    """State of a session. RTSP's state `Init` is missing: there is no session in it."""

    READY = "ready"
    PLAYING = "playing"


@dataclass(slots=True, eq=False)
class Session:
    """One client's use of one stream. `seen` is the last sign of life, `owner` the connection that set it up."""

    id: str
    stream: str
    peer: str
    owner: object
    transport: Transport
    seen: float
    state: SessionState = SessionState.READY


@dataclass(frozen=True, slots=True)
class Start:
    """Sequence number and RTP timestamp of a client's first packet."""

    seq: int
    timestamp: int


class Media(Protocol):
    """What `Control` needs from the owner of the streams and sockets."""

    def has(self, stream: str) -> bool:
        """Whether there is such a stream."""

    def ssrc(self, stream: str) -> int:
        """The stream's synchronization source (SSRC)."""

    async def format(self, stream: str) -> VideoFormat | None:
        """The stream's format; None if it is not known in time."""

    async def open(self, session: Session) -> tuple[int, int] | None:
        """Prepare to send. Returns the server's UDP ports, or None over TCP. Raises OSError if no ports are free."""

    async def play(self, session: Session, started: Callable[[Start | None], None]) -> None:
        """Send packets. `started` is called once, before the first packet, or with None if none comes in time."""

    def pause(self, session: Session) -> None:
        """Stop sending packets."""

    def close(self, session: Session) -> None:
        """Release what `open` allocated."""


class Sessions:
    """The sessions of all clients, within `caps`; each expires `timeout` seconds after its last sign of life.

    Sessions are keyed by a hash of their ID, so that the time a failed lookup takes reveals nothing about valid IDs.
    """

    def __init__(self, timeout: float, caps: Caps, clock: Callable[[], float]) -> None:
        self.timeout = timeout
        self.clock = clock
        self._caps = caps
        self._sessions: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def eviction_for(self, peer: str) -> Session | None:
        """The session to end before `peer` may open another one, or None. Raises FullError."""
        slots = (Slot(each, client_key(each.peer), self._idle_since(each)) for each in self._sessions.values())
        return pick_eviction(slots, client_key(peer), self._caps)

    def add(self, stream: str, peer: str, owner: object, transport: Transport) -> Session:
        """Create a session."""
        session = Session(secrets.token_hex(12), stream, peer, owner, transport, self.clock())
        self._sessions[_hashed(session.id)] = session
        return session

    def find(self, ident: str, peer: str, owner: object) -> Session | None:
        """The session, if this connection may use it. A UDP session may also be used from a new connection."""
        session = self._sessions.get(_hashed(ident))
        if session is None or session.peer != peer or (session.transport.tcp and session.owner is not owner):
            return None
        session.seen = self.clock()
        return session

    def remove(self, session: Session) -> bool:
        """Remove the session; False if it was already removed."""
        return self._sessions.pop(_hashed(session.id), None) is not None

    def of(self, owner: object) -> list[Session]:
        """The sessions that were set up on this connection."""
        return [session for session in self._sessions.values() if session.owner is owner]

    def touch(self, owner: object) -> None:
        """Note a sign of life from the client on this connection."""
        for session in self.of(owner):
            session.seen = self.clock()

    def expired(self) -> list[Session]:
        """The sessions that have timed out. A client that plays over TCP is checked elsewhere, by whether it reads."""
        oldest = self.clock() - self.timeout
        return [
            session
            for session in self._sessions.values()
            if session.seen < oldest and not (session.transport.tcp and session.state is SessionState.PLAYING)
        ]

    def _idle_since(self, session: Session) -> float | None:
        if session.state is not SessionState.PLAYING:
            return session.seen
        # Over UDP the receiver may be gone.
        return session.seen if not session.transport.tcp and self.clock() - session.seen > _SILENT else None


class _RefusedError(Exception):
    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.response = Response(status, headers)


class Control:
    """Answers the requests of one connection, from the address `peer` to `host` and `port`."""

    def __init__(
        self,
        sessions: Sessions,
        media: Media,
        auth: Authenticator | None,
        throttle: LoginThrottle,
        peer: str,
        host: str,
        port: int,
    ) -> None:
        self.should_disconnect = False
        """Whether the client sent wrong credentials so often that it should be disconnected."""
        self.has_played = False
        """Whether it has ever played something, or used a session that was playing."""
        self._sessions, self._media, self._auth, self._throttle = sessions, media, auth, throttle
        self._peer, self._host, self._port = peer, host, port
        self._wrong = 0
        self._known = False

    async def handle(self, request: Request, send: Callable[[Response], None]) -> None:
        """Handle the request and call `send` with the response, once; for PLAY, before the first packet is sent."""

        def answer(response: Response) -> None:
            send(response.with_headers(("CSeq", str(request.cseq)), ("Server", "veilcast")))

        try:
            if request.method != "PLAY":
                answer(await self._respond(request))
            else:
                await self._play(request, answer)
        except _RefusedError as refused:
            answer(refused.response)

    def end(self) -> None:
        """The connection is closed: end its TCP sessions. UDP sessions live on until they time out."""
        for session in self._sessions.of(self):
            if session.transport.tcp:
                self._remove(session)

    async def _respond(self, request: Request) -> Response:
        self._admit(request)
        match request.method:
            case "DESCRIBE":
                return await self._describe(request)
            case "SETUP":
                return await self._setup(request)
            case "PAUSE":
                return self._pause(request)
            case "TEARDOWN":
                session = self._session(request)
                self._remove(session)
                return Response(200)
        # The remaining methods keep a session alive; no parameter is supported.
        if request.method != "OPTIONS" and request.body.strip():
            return Response(451)
        headers = _headers(self._session(request)) if request.headers.get("session") else ()
        return Response(200, (*headers, ("Public", ", ".join(METHODS))) if request.method == "OPTIONS" else headers)

    def _admit(self, request: Request) -> None:
        if request.method in _REFUSED:
            raise _RefusedError(405, ("Allow", ", ".join(METHODS)))
        if request.method not in METHODS:
            raise _RefusedError(501, ("Public", ", ".join(METHODS)))
        if "require" in request.headers:
            raise _RefusedError(551, ("Unsupported", request.headers["require"]))
        if self._auth is None or request.method == "OPTIONS":
            self._sessions.touch(self)
            return
        now, given = self._sessions.clock(), request.headers.get("authorization")
        client, kind = client_key(self._peer), request.headers.get("user-agent", "")
        # A client that has logged in on this connection is not slowed down by others at its address.
        wait = self._throttle.wait(client, kind, now) if given and not self._known else 0.0
        if wait:
            self.should_disconnect = True
            raise _RefusedError(503, ("Retry-After", str(math.ceil(wait))))
        verdict = self._auth.check(request, now)
        if verdict is LoginVerdict.GRANTED:
            self._known = True
            self._throttle.granted(client, kind)
            self._sessions.touch(self)
            return
        if verdict is LoginVerdict.WRONG:
            self._throttle.failed(client, kind, (given or "").encode(), now)
            self._wrong += 1
            self.should_disconnect = self._wrong >= _WRONG_TRIES
        challenges = self._auth.challenges(now, stale=verdict is LoginVerdict.STALE)
        raise _RefusedError(401, *(("WWW-Authenticate", challenge) for challenge in challenges))

    def _address(self, request: Request) -> Address:
        address = Address.parse(request.uri)
        if not self._media.has(address.stream):
            raise _RefusedError(404)
        return address

    def _session(self, request: Request) -> Session:
        ident = request.headers.get("session", "").partition(";")[0].strip()
        if not ident and not self._sessions.of(self):
            raise _RefusedError(455, ("Allow", "OPTIONS, DESCRIBE, SETUP"))
        session = self._sessions.find(ident, self._peer, self)
        if session is None:
            raise _RefusedError(454)
        self.has_played |= session.state is SessionState.PLAYING
        return session

    def _base(self, address: Address) -> str:
        if address.base:
            return address.base
        return str(URL.build(scheme="rtsp", host=self._host, port=self._port, path=f"/{address.stream}/"))

    async def _describe(self, request: Request) -> Response:
        accept = request.headers.get("accept", "application/sdp").lower()
        if not any(kind in accept for kind in ("application/sdp", "application/*", "*/*")):
            raise _RefusedError(406)
        address = self._address(request)
        video = await self._media.format(address.stream)
        if video is None:
            raise _RefusedError(503)
        ident = self._media.ssrc(address.stream)
        body = describe(address.stream, video, self._host, ident, TRACK)
        return Response(200, (("Content-Base", self._base(address)), ("Content-Type", "application/sdp")), body)

    async def _setup(self, request: Request) -> Response:
        address = self._address(request)
        transport = choose(request.headers.get("transport", ""), self._peer)
        if request.headers.get("session"):
            session = self._session(request)
            if session.stream != address.stream:
                raise _RefusedError(459)
            if session.state is SessionState.PLAYING:
                raise _RefusedError(455, ("Allow", "PLAY, PAUSE, TEARDOWN"))
            if transport is None:
                raise _RefusedError(461)
            self._media.close(session)
            session.transport, session.owner = transport, self
        else:
            if transport is None:
                raise _RefusedError(461 if "transport" in request.headers else 400)
            if any(session.transport.tcp for session in self._sessions.of(self)) and transport.tcp:
                raise _RefusedError(455, ("Allow", ", ".join(METHODS)))
            try:
                evicted = self._sessions.eviction_for(self._peer)
            except FullError:
                raise _RefusedError(503) from None
            if evicted is not None:
                self._remove(evicted)
            session = self._sessions.add(address.stream, self._peer, self, transport)
        try:
            ports = await self._media.open(session)
        except OSError:
            self._sessions.remove(session)
            raise _RefusedError(503) from None
        way = transport.header(self._media.ssrc(session.stream), ports)
        return Response(200, (*_headers(session, self._sessions.timeout), ("Transport", way)))

    async def _play(self, request: Request, answer: Callable[[Response], None]) -> None:
        self._admit(request)
        session = self._session(request)
        address = self._on_session(request, session)
        live = ("Range", "npt=now-")
        if session.state is SessionState.PLAYING:
            answer(Response(200, (*_headers(session), live)))
            return
        session.state = SessionState.PLAYING
        self.has_played = True
        track = f"url={self._base(address)}{TRACK}"

        def started(start: Start | None) -> None:
            where = f";seq={start.seq};rtptime={start.timestamp}" if start else ""
            answer(Response(200, (*_headers(session), live, ("RTP-Info", track + where))))

        await self._media.play(session, started)

    def _pause(self, request: Request) -> Response:
        session = self._session(request)
        self._on_session(request, session)
        if session.state is not SessionState.PLAYING:
            raise _RefusedError(455, ("Allow", "SETUP, PLAY, TEARDOWN"))
        session.state = SessionState.READY
        self._media.pause(session)
        return Response(200, _headers(session))

    def _on_session(self, request: Request, session: Session) -> Address:
        address = self._address(request)
        if address.stream != session.stream:
            raise _RefusedError(454)
        return address

    def _remove(self, session: Session) -> None:
        if self._sessions.remove(session):
            self._media.close(session)


def _hashed(ident: str) -> bytes:
    return hashlib.sha256(ident.encode()).digest()


def _headers(session: Session, timeout: float | None = None) -> tuple[tuple[str, str]]:
    return (("Session", session.id if timeout is None else f"{session.id};timeout={timeout:.0f}"),)
