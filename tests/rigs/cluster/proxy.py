"""A wire to a server on this machine that can be cut: what one node of a cluster sees of the network."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Final, Literal

Wire = Literal["whole", "silent", "refused"]
"""silent: connections stay, and nothing passes; refused: connections are reset, and new ones are, too."""
LOOK: Final = 0.1
PIECE: Final = 1 << 16


class Proxy:
    """Forwards to a port of 127.0.0.1; each connection has two threads of its own."""

    def __init__(self, target: int) -> None:
        self._target, self._closing = target, threading.Event()
        self._whole = threading.Event()
        self._lock = threading.Lock()
        self._links = set[socket.socket]()
        self._threads = list[threading.Thread]()
        self._refuses = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LOOK)
        self.port = int(self._listener.getsockname()[1])
        self._whole.set()

    def __enter__(self) -> Proxy:
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._whole.set()
        self.drop()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def be(self, wire: Wire) -> None:
        """From now on, until told otherwise."""
        self._refuses = wire == "refused"
        if wire == "silent":
            self._whole.clear()
        else:
            self._whole.set()
        if self._refuses:
            self.drop()

    def drop(self) -> None:
        """Reset all connections that there are."""
        with self._lock:
            links, self._links = list(self._links), set()
        for link in links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def _begin(self, work: object, *arguments: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments, name="proxy", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self._refuses:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._links |= {near, far}
            ends = threading.Barrier(2)
            self._begin(self._forward, near, far, ends)
            self._begin(self._forward, far, near, ends)

    def _forward(self, source: socket.socket, target: socket.socket, ends: threading.Barrier) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                self._whole.wait()
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(threading.BrokenBarrierError):
            ends.wait(30)  # neither socket is closed while the other thread uses it
        with self._lock:
            self._links.discard(source)
        source.close()
