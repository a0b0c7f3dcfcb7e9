"""A bad network between an RTSP camera and its client: RTP over TCP with lost, spoilt and late bytes."""

from __future__ import annotations

import random
import re
import selectors
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

from core.owned_thread import OwnedThread

_POLL = 0.05
_RTP_HEADER = 12


@dataclass(frozen=True)
class Faults:
    """What happens to each RTP packet from the camera, as probabilities.

    `lose` takes the packet away whole, `flip` turns one bit of its payload, `drop` takes a few bytes out of the
    connection, so that the framing breaks.
    """

    lose: float = 0.0
    flip: float = 0.0
    drop: float = 0.0


@dataclass(eq=False)
class _Link:
    client: socket.socket
    camera: socket.socket
    pending: bytearray = field(default_factory=bytearray)


class GarblingProxy:
    """Forwards RTSP over TCP to the server of `target`; a context manager. `faults` may be changed at any time.

    `lost` and `spoilt` count the packets that were taken away or altered.
    """

    def __init__(self, target: str, seed: int = 1, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.stalled = threading.Event()
        """While set, nothing is forwarded and all connections stay open."""
        self.lost = self.spoilt = 0
        self._parts = urlsplit(target)
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._links: list[_Link] = []
        self._cut = threading.Event()
        self._thread = OwnedThread("veilcast-test-proxy", self._run)

    @property
    def url(self) -> str:
        """The camera's address through the proxy."""
        login, at, _ = self._parts.netloc.rpartition("@")
        host = f"{login}{at}127.0.0.1:{self._listener.getsockname()[1]}"
        return urlunsplit(self._parts._replace(netloc=host))

    def cut(self) -> None:
        """Close all connections."""
        self._cut.set()

    def __enter__(self) -> GarblingProxy:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.close()
        self._close_all()
        self._selector.close()
        self._listener.close()
        if self._thread.error is not None:
            raise self._thread.error

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            if self._cut.is_set():
                self._cut.clear()
                self._close_all()
            if self.stalled.wait(0) and not self._thread.stopping.wait(_POLL):
                continue
            for key, _ in self._selector.select(_POLL):
                if key.data is None:
                    self._accept()
                elif key.data in self._links:  # else it went with its other end
                    self._forward(key.data, key.fileobj is key.data.camera)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            camera = socket.create_connection((self._parts.hostname or "", self._parts.port or 554), 2)
        except OSError:
            client.close()
            return
        link = _Link(client, camera)
        for end in (client, camera):
            end.settimeout(2)
            self._selector.register(end, selectors.EVENT_READ, link)
        self._links.append(link)

    def _forward(self, link: _Link, from_camera: bool) -> None:
        source, target = (link.camera, link.client) if from_camera else (link.client, link.camera)
        try:
            data = source.recv(65536)
            if not data:
                self._close(link)
                return
            target.sendall(self._garbled(link.pending, data) if from_camera else data)
        except OSError:
            self._close(link)

    def _garbled(self, pending: bytearray, data: bytes) -> bytes:
        pending += data
        out = bytearray()
        while pending:
            if pending[0] == ord("$"):
                size = 4 + int.from_bytes(pending[2:4], "big") if len(pending) >= 4 else len(pending) + 1
                if len(pending) < size:
                    break
                out += self._spoilt(pending[:size])
            else:
                head = pending.find(b"\r\n\r\n")
                if head < 0:
                    break
                length = re.search(rb"content-length: *(\d+)", pending[:head], re.IGNORECASE)
                size = head + 4 + (int(length[1]) if length else 0)
                if len(pending) < size:
                    break
                out += pending[:size]
            del pending[:size]
        return bytes(out)

    def _spoilt(self, packet: bytearray) -> bytearray:
        if packet[1] % 2:  # RTCP
            return packet
        faults, chance = self.faults, self._random
        if chance.random() < faults.lose:
            self.lost += 1
            return bytearray()
        payload = 4 + _RTP_HEADER
        if chance.random() < faults.flip and len(packet) > payload:
            packet[chance.randrange(payload, len(packet))] ^= 1 << chance.randrange(8)
            self.spoilt += 1
        if chance.random() < faults.drop:
            at = chance.randrange(len(packet))
            del packet[at : at + chance.randrange(1, 40)]
            self.spoilt += 1
        return packet

    def _close(self, link: _Link) -> None:
        self._links.remove(link)
        for end in (link.client, link.camera):
            self._selector.unregister(end)
            end.close()

    def _close_all(self) -> None:
        for link in list(self._links):
            self._close(link)
