"""A plain RTSP client on a socket, and a server for it, so that tests can do what no well-behaved client does."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from aiortc.rtp import RtpPacket

from streamer.live.rtsp.connection import RtspLimits
from streamer.live.rtsp.server import RtspServer
from streamer.live.stream_output import StreamOutput
from streamer.runtime.event_loop import LoopThread
from streamer.settings.rtsp import RtspConfig

WAIT = 15.0


@dataclass
class Serving:
    """A server that runs, and the loop it runs in."""

    server: RtspServer
    loop: LoopThread

    def url(self, name: str = "door", credentials: str = "") -> str:
        return f"rtsp://{credentials}127.0.0.1:{self.server.port}/{name}"

    def viewers(self, name: str = "door") -> int:
        async def count() -> int:
            return self.server.viewers(name)

        return self.loop.run(count(), WAIT)

    def drops(self, name: str = "door") -> dict[str, int]:
        async def count() -> dict[str, int]:
            return self.server.drops(name)

        return self.loop.run(count(), WAIT)


@contextmanager
def serving(
    *outputs: StreamOutput, config: RtspConfig | None = None, limits: RtspLimits | None = None
) -> Iterator[Serving]:
    """A server of these streams on a free port of this machine."""
    with LoopThread() as loop:

        async def make() -> RtspServer:
            server = RtspServer({output.name: output for output in outputs}, config or RtspConfig(), limits)
            await server.start("127.0.0.1", 0)
            return server

        server = loop.run(make(), WAIT)
        try:
            yield Serving(server, loop)
        finally:
            loop.run(server.close(), 2.5)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class Client:
    """One connection. `frames` collects RTP that came interleaved, as (channel, data), `reports` RTCP."""

    port: int
    receive_buffer: int | None = None
    source: str = "127.0.0.1"
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    reports: list[tuple[int, bytes]] = field(default_factory=list)
    session: str = ""
    cseq: int = 0

    def __post_init__(self) -> None:
        self.socket = socket.socket()
        if self.receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.socket.settimeout(WAIT)
        self.socket.bind((self.source, 0))
        self.socket.connect(("127.0.0.1", self.port))
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.socket.close()

    @property
    def local_port(self) -> int:
        name: tuple[str, int] = self.socket.getsockname()
        return name[1]

    def url(self, path: str = "door") -> str:
        return f"rtsp://127.0.0.1:{self.port}/{path}"

    def ask(self, method: str, path: str = "door", body: bytes = b"", **headers: str) -> Answer:
        """Send a request and read up to its answer; underscores in names of headers stand for hyphens."""
        self.cseq += 1
        fields = {"CSeq": str(self.cseq)} | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.session and "Session" not in fields:
            fields["Session"] = self.session
        if body:
            fields["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.socket.sendall(f"{method} {self.url(path)} RTSP/1.0\r\n{head}\r\n".encode() + body)
        answer = self.answer()
        assert answer.headers["cseq"] == str(self.cseq)
        return answer

    def set_up(self, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1") -> Answer:
        answer = self.ask("SETUP", "door/trackID=0", Transport=transport)
        assert answer.status == 200
        self.session = answer.headers["session"].partition(";")[0]
        return answer

    def play(self) -> Answer:
        answer = self.ask("PLAY")
        assert answer.status == 200
        return answer

    def answer(self) -> Answer:
        """The next answer; frames in front of it are kept in `frames`."""
        while (first := self._exactly(1)) == b"$":
            self._frame()
        status = int((first + self._file.readline()).split()[1])
        headers: dict[str, str] = {}
        while (line := self._file.readline().decode().strip()) != "":
            name, _, value = line.partition(": ")
            headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
        return Answer(status, headers, self._exactly(int(headers.get("content-length", 0))))

    def packet(self) -> RtpPacket:
        """The next RTP packet; receives from the connection as needed."""
        while True:
            if self.frames:
                return RtpPacket.parse(self.frames.pop(0)[1])
            assert self._exactly(1) == b"$"
            self._frame()

    def is_closed(self) -> bool:
        """Read all there is; whether the connection then ends, in whatever way, rather than time out."""
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def _frame(self) -> None:
        channel, high, low = self._exactly(3)
        (self.reports if channel % 2 else self.frames).append((channel, self._exactly(high * 256 + low)))

    def _exactly(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError("the server has closed the connection")
        return data


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for it; fails when it takes too long."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sequence(client: Client, count: int, first: int | None = None) -> list[RtpPacket]:
    """So many packets, checked to follow one upon the other (from the number `first`)."""
    packets = [client.packet() for _ in range(count)]
    numbers = [packet.sequence_number for packet in packets]
    begin = numbers[0] if first is None else first
    assert numbers == [(begin + i) % 2**16 for i in range(count)]
    return packets
