"""A push target that records when each picture arrives."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType

from tests.rigs.camera.rtsp_camera import SYSTEM_PYTHON, free_port, require_gst
from tests.rigs.live.clients import PUSH_SERVER, Program

_LOOK = 0.04  # seconds between checks of the file


class PushTarget:
    """gst-rtsp-server, which writes what it is sent; a context manager. Skips the test where it is missing.

    `arrived` is the time of every picture (`time.time()`), as exact as it is looked for.
    """

    def __init__(self, folder: Path) -> None:
        require_gst()
        port, self._path = free_port(), folder / "pushed.h264"
        self.url = f"rtsp://127.0.0.1:{port}/door"
        self.arrived: list[float] = []
        self._program = Program(self._path, SYSTEM_PYTHON, str(PUSH_SERVER), str(port), str(self._path))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="push-target", daemon=True)

    def __enter__(self) -> PushTarget:
        self._program.__enter__()
        self._program.until_it_says("ready")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(5)
        self._program.__exit__(kind, error, trace)

    def _follow(self) -> None:
        at, rest = 0, b""
        while not self._over.wait(_LOOK):
            if not self._path.exists():
                continue
            size = self._path.stat().st_size
            if size < at:
                at, rest = 0, b""  # a new push truncates the file
            with self._path.open("rb") as file:
                file.seek(at)
                data = file.read()
            at, now = at + len(data), time.time()
            data = rest + data
            self.arrived += [now] * _pictures(data)
            rest = data[-4:]  # a start code may have arrived in part


def _pictures(data: bytes) -> int:
    """First slices of H.264 pictures in a byte stream whose last four bytes are not looked at."""
    count, at = 0, data.find(b"\0\0\1")
    while 0 <= at < len(data) - 4:
        # A slice whose first macroblock is number 0, which Exp-Golomb writes as a single 1.
        count += data[at + 3] & 0x1F in (1, 5) and data[at + 4] >= 0x80
        at = data.find(b"\0\0\1", at + 3)
    return count
