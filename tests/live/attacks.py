"""What a stranger without credentials does to a live service, from one address; and who should not notice."""

from __future__ import annotations

import base64
import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from streamer.live.descriptors import raise_limit
from tests.live.rtsp_client import Client
from tests.live.veilcast_process import Veilcast

USER, PASSWORD, TOKEN = "me", "secret", "a-long-secret"
LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
ENVIRONMENT = {"VEILCAST_TOKEN": TOKEN, "VEILCAST_RTSP_USER": USER, "VEILCAST_RTSP_PASSWORD": PASSWORD}
EVIL, GOOD = "127.0.0.66", "127.0.0.1"
PATIENCE = 10.0  # seconds

Attack = Callable[[Veilcast, threading.Event], None]


def _connect(port: int | None, source: str = EVIL) -> socket.socket:
    assert port is not None
    return socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))


def half_requests(veilcast: Veilcast, stop: threading.Event, count: int = 1000) -> None:
    """A thousand connections that never come to the end of a request; what is closed is opened again."""
    raise_limit()
    _hold(veilcast.web, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", count, stop)


def idle_connections(veilcast: Veilcast, stop: threading.Event, count: int = 200) -> None:
    """RTSP connections that ask for nothing that matters."""
    _hold(veilcast.rtsp, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", count, stop)


def _hold(port: int | None, sent: bytes, count: int, stop: threading.Event) -> None:
    held: list[socket.socket] = []
    try:
        while not stop.wait(0.002):
            with contextlib.suppress(OSError):
                held.append(_connect(port))
                held[-1].sendall(sent)
            if len(held) > count:
                held.pop(0).close()
    finally:
        for each in held:
            each.close()


def digest_bombs(veilcast: Veilcast, stop: threading.Event) -> None:
    """The longest credentials that fit, made so that a careless parser takes its time."""
    bomb = "Digest " + "a" * 7900
    request = f"DESCRIBE rtsp://127.0.0.1/camera RTSP/1.0\r\nCSeq: 1\r\nAuthorization: {bomb}\r\n\r\n".encode()
    short = request.replace(b"a" * 7900, b"a" * 2000)
    for text in itertools.cycle((request, short)):
        if stop.is_set():
            return
        with contextlib.suppress(OSError), _connect(veilcast.rtsp) as one:
            one.sendall(text * 4)
            while one.recv(65536) and not stop.is_set():
                pass


def guesses(veilcast: Veilcast, stop: threading.Event) -> None:
    """Tokens and passwords, as fast as they are answered."""
    for number in itertools.count():
        if stop.is_set():
            return
        basic = base64.b64encode(f"{USER}:{number}".encode()).decode()
        rtsp = f"DESCRIBE rtsp://127.0.0.1/camera RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Basic {basic}\r\n\r\n"
        http = f"GET /api/streams HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {number}\r\n\r\n"
        for port, text in ((veilcast.rtsp, rtsp), (veilcast.web, http)):
            with contextlib.suppress(OSError), _connect(port) as one:
                one.sendall(text.encode())
                one.recv(65536)


def abandoned_offers(veilcast: Veilcast, stop: threading.Event) -> None:
    """Offers whose viewer never comes, by somebody who may watch."""
    while not stop.wait(0.1):
        with contextlib.suppress(OSError):
            offers(veilcast, EVIL)


def offers(veilcast: Veilcast, source: str) -> bytes:
    """The status line for a WebRTC offer; the viewer never comes."""
    offer = _OFFER.replace("\n", "\r\n").encode()
    head = (
        f"POST /whep/camera HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(offer)}\r\nConnection: close\r\n\r\n"
    )
    with _connect(veilcast.web, source) as one:
        one.sendall(head.encode() + offer)
        return one.recv(65536).partition(b"\r\n")[0]


_OFFER = f"""v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:0
a=recvonly
a=rtcp-mux
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;profile-level-id=42e01f
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 {":".join(["AB"] * 32)}
a=setup:actpass
"""

ATTACKS: Mapping[str, Attack] = {
    "half requests": half_requests,
    "idle connections": idle_connections,
    "digest bombs": digest_bombs,
    "guesses": guesses,
    "abandoned offers": abandoned_offers,
}


class Watcher:
    """An RTSP client that counts the pictures it gets; a context manager."""

    def __init__(self, veilcast: Veilcast, source: str = GOOD) -> None:
        assert veilcast.rtsp is not None
        self.pictures = 0
        self.error: Exception | None = None
        self._client = playing(veilcast, source)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="veilcast-test-watcher")

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
        self._client.__exit__(kind, error, trace)

    def _watch(self) -> None:
        try:
            while not self._stop.is_set():
                self.pictures += self._client.packet().marker
        except (OSError, EOFError) as error:
            self.error = error


def playing(veilcast: Veilcast, source: str = GOOD) -> Client:
    """An RTSP client that is in, and plays. Raises AssertionError, OSError, EOFError when it is not let in."""
    assert veilcast.rtsp is not None
    client = Client(veilcast.rtsp, source=source)
    try:
        answer = client.ask(
            "SETUP", "camera/trackID=0", Transport="RTP/AVP/TCP;unicast;interleaved=0-1", Authorization=LOGIN
        )
        assert answer.status == 200, answer.status
        client.session = answer.headers["session"].partition(";")[0]
        answer = client.ask("PLAY", "camera", Authorization=LOGIN)
        assert answer.status == 200, answer.status
    except BaseException:
        client.__exit__(None, None, None)
        raise
    return client


def asks(veilcast: Veilcast, source: str = GOOD) -> bytes:
    """The status line for a good question over HTTP."""
    with _connect(veilcast.web, source) as one:
        one.sendall(
            b"GET /api/streams HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            + f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        return one.recv(65536).partition(b"\r\n")[0]


@dataclass
class Endured:
    """What a stretch of an attack did. `rate` is that of the watcher, against what it was before (1: the same)."""

    name: str
    rate: float
    newcomers: int = 0
    """That tried to watch over RTSP, to ask over HTTP, and to begin with WebRTC, meanwhile."""
    failures: list[str] = field(default_factory=list)
    """Why some of them were not served."""
    segments: int = 0
    """Recorded meanwhile."""


def endure(veilcast: Veilcast, watcher: Watcher, recordings: Path, name: str, seconds: float, usual: float) -> Endured:
    """One attack for so long; `usual` is the watcher's rate in pictures a second."""
    before = _segments(recordings)
    with attacking(veilcast, ATTACKS[name]):
        begun, pictures = time.monotonic(), watcher.pictures
        result = Endured(name, 0.0)
        while time.monotonic() - begun < seconds:
            time.sleep(0.25)
            result.newcomers += 1
            try:
                with playing(veilcast) as client:
                    client.packet()
                assert (said := asks(veilcast)) == b"HTTP/1.1 200 OK", said
                assert (said := offers(veilcast, GOOD)) == b"HTTP/1.1 201 Created", said
            except (AssertionError, KeyError, OSError, EOFError) as error:
                result.failures.append(f"{type(error).__name__}: {error}")
        result.rate = (watcher.pictures - pictures) / (time.monotonic() - begun) / usual
    result.segments = len(_segments(recordings) - before)
    return result


@contextmanager
def attacking(veilcast: Veilcast, attack: Attack) -> Iterator[None]:
    """The attack goes on inside the `with` block."""
    stop = threading.Event()
    thread = threading.Thread(target=attack, args=(veilcast, stop), name="veilcast-test-attack")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)


def under_attack(
    clip: Path, folder: Path, names: list[str], seconds: float, descriptors: int | None
) -> tuple[list[Endured], str]:
    """A service that shows `clip` and records, under one attack after the other; and what it said."""
    folder.mkdir(parents=True, exist_ok=True)
    recordings, config = folder / "recordings", folder / "live.yaml"
    config.write_text("live: {recording: {segment_seconds: 2}}\n", "utf-8")
    arguments = [str(clip), "--loop", "--name", "camera", "--record", str(recordings), "--config", str(config)]
    with ExitStack() as stack:
        veilcast = Veilcast(*arguments, log=folder / "veilcast.log", environment=ENVIRONMENT, descriptors=descriptors)
        stack.enter_context(veilcast)
        veilcast.until_settled()
        watcher = stack.enter_context(Watcher(veilcast))
        time.sleep(1)
        pictures, begun = watcher.pictures, time.monotonic()
        time.sleep(3)
        usual = (watcher.pictures - pictures) / (time.monotonic() - begun)
        endured = [endure(veilcast, watcher, recordings, name, seconds, usual) for name in names]
        assert watcher.error is None, watcher.error
    return endured, veilcast.log


def _segments(recordings: Path) -> set[Path]:
    return set((recordings / "camera").iterdir())
