"""Records a stream like a network video recorder, with the arrival time of each picture."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.error import FFmpegError

from tests.rigs.camera.frame_code import read


@dataclass(frozen=True, eq=False)
class Received:
    """One picture that a client received: BGR (height, width, 3), when it came (`time.time()`), and its number.

    `number` is None where the code in the corner cannot be read (see `frame_code`).
    """

    bgr: npt.NDArray[np.uint8]
    arrived: float
    number: int | None


class Recorder:
    """Runs the ffmpeg program on `url` and copies what comes into a file; a context manager that ends it.

    Skips the test where ffmpeg is missing. Read `frames` after the `with` block.
    """

    def __init__(
        self, url: str, folder: Path, transport: Literal["tcp", "udp"] = "tcp", name: str = "received"
    ) -> None:
        self._ffmpeg = shutil.which("ffmpeg")
        if self._ffmpeg is None:
            pytest.skip("the ffmpeg program is missing")
        self.path = folder / f"{name}.mkv"
        self._url, self._transport = url, transport
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / f"{name}.log"
        self._started = 0.0

    def __enter__(self) -> Recorder:
        assert self._ffmpeg is not None
        self._started = time.time()
        transport = ["-rtsp_transport", self._transport] if self._url.startswith("rtsp") else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(self._ffmpeg, "-nostdin", "-v", "warning", "-y", "-probesize", "100000"),
                    *("-analyzeduration", "200000", "-use_wallclock_as_timestamps", "1", *transport),
                    # The wall clock goes into the file as it is; a cluster a second survives a kill.
                    *("-i", self._url, "-map", "0:v", "-c", "copy", "-copyts", "-cluster_time_limit", "1000"),
                    *("-flush_packets", "1", str(self.path)),
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether ffmpeg still records; it ends by itself when the stream does."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What ffmpeg complained about."""
        return self._log.read_text("utf-8", "replace")

    def wait_for_data(self, timeout: float = 10.0) -> None:
        """Return once something is recorded; raises TimeoutError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (self.path.exists() and self.path.stat().st_size):
            if time.monotonic() > deadline or not self.running:
                raise TimeoutError(f"nothing was received: {self.log}")
            time.sleep(0.05)

    def stall(self) -> None:
        """Stop reading, like a client that hangs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `stall`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the recording; what came so far is in the file."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def frames(self) -> Iterator[Received]:
        """Every picture that was received, decoded one at a time: a long recording does not fit into memory."""
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                try:
                    decoded = stream.codec_context.decode(packet if packet.size else None)
                except FFmpegError:
                    continue
                for frame in decoded:
                    if frame.pts is None or frame.time_base is None:
                        continue
                    bgr = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                    # ffmpeg has no time for what came while it was still connecting.
                    arrived = max(self._started, float(frame.pts * frame.time_base))
                    yield Received(bgr, arrived, read(bgr))
