"""Third-party clients, each in its own process; what they received is judged afterwards."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.error import FFmpegError

from tests.rigs.camera.rtsp_camera import SYSTEM_PYTHON, free_port, require_gst

PUSH_SERVER = Path(__file__).with_name("gst_record_server.py")
Bgr = npt.NDArray[np.uint8]


class Client(Protocol):
    """Someone who watches; a context manager."""

    @property
    def path(self) -> Path:
        """The file it writes what it receives to."""

    def __enter__(self) -> Client: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Program:
    """Runs a command that writes what it receives to `path`; ended with SIGINT."""

    def __init__(self, path: Path, *command: str, ends_within: float = 5.0) -> None:
        self.path = path
        self._command, self._patience = command, ends_within
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Program:
        with self.path.with_suffix(".log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """Its log output."""
        return self.path.with_suffix(".log").read_text("utf-8", "replace")

    def until_it_says(self, word: str, timeout: float = 15.0) -> None:
        """Raises TimeoutError when it does not."""
        deadline = time.monotonic() + timeout
        while word not in self.log:
            if time.monotonic() > deadline:
                raise TimeoutError(self.log)
            time.sleep(0.05)


def gst_client(url: str, folder: Path, transport: str = "tcp") -> Program:
    """GStreamer as an RTSP client. Skips the test where it is missing."""
    if (program := shutil.which("gst-launch-1.0")) is None:
        pytest.skip("gst-launch-1.0 is missing")
    path = folder / f"gstreamer-{transport}.h264"
    source = ["rtspsrc", f"location={url}", f"protocols={transport}", "latency=0"]
    parse = ["rtph264depay", "!", "h264parse", "!", "video/x-h264,stream-format=byte-stream,alignment=au"]
    sink = ["filesink", f"location={path}", "buffer-mode=unbuffered", "sync=false"]
    return Program(path, program, "-e", *source, "!", *parse, "!", *sink)


def whep_client(url: str, folder: Path) -> Program:
    """A WebRTC client; aiortc's, with packets written down instead of decoded."""
    path = folder / "whep.h264"
    return Program(path, sys.executable, "-m", "tests.rigs.live.whep_recorder", url, str(path))


@dataclass(frozen=True)
class PushServer:
    """A second RTSP server that accepts the stream at `url`."""

    url: str
    program: Program

    @staticmethod
    def at(folder: Path) -> PushServer:
        """Skips the test where gst-rtsp-server is missing."""
        require_gst()
        port, path = free_port(), folder / "pushed.h264"
        return PushServer(
            f"rtsp://127.0.0.1:{port}/door", Program(path, SYSTEM_PYTHON, str(PUSH_SERVER), str(port), str(path))
        )


def decoded(*paths: Path) -> Iterator[Bgr]:
    """The pictures of these files, one after the other; what cannot be decoded is left out."""
    for path in paths:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                try:
                    frames = stream.codec_context.decode(packet if packet.size else None)
                except FFmpegError:
                    continue
                for frame in frames:
                    yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
