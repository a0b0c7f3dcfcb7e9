"""A name server that knows one name, as Docker's does for the containers of one service."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final

_A: Final = 1
_SECONDS: Final = 1  # that an answer may be kept


class NameServer:
    """Answers over UDP on a free port. `addresses` may be changed at any time."""

    def __init__(self, name: str, addresses: Sequence[str]) -> None:
        self._name = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
        self.addresses = tuple(addresses)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="name-server")

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            asked, sender = self._socket.recvfrom(512)
            if not asked:
                return
            self._socket.sendto(self._answer(asked), sender)

    def _answer(self, asked: bytes) -> bytes:
        end = asked.index(b"\0", 12) + 1
        question, kind = asked[12 : end + 4], struct.unpack("!H", asked[end : end + 2])[0]
        known = asked[12:end].lower() == self._name
        found = self.addresses if known and kind == _A else ()
        head = asked[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, len(found), 0, 0)
        record = struct.pack("!HHHIH", 0xC00C, _A, 1, _SECONDS, 4)
        return head + question + b"".join(record + ipaddress.ip_address(each).packed for each in found)
