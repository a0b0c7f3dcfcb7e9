"""`veilcast live` as users run it: in its own process, observed from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.rigs.camera.rtsp_camera import free_port

PROGRAM = Path(sys.executable).with_name("veilcast")
WAIT = 30.0  # seconds
DRAIN = 8.0  # seconds from SIGTERM to the end: what is promised, and room for a busy machine


@dataclass(frozen=True)
class Told:
    """What the program says of one of its streams. Counters count since its start; seconds."""

    state: str
    size: tuple[int, int]
    frames: dict[str, int]
    frames_in: int
    late: int
    skipped: int
    delay: tuple[float, float]
    drops: dict[str, int]
    errors: tuple[str, ...]

    def since(self, before: Told) -> Told:
        """The same with counters that count since `before`."""
        covers = {cover: count - before.frames.get(cover, 0) for cover, count in self.frames.items()}
        drops = {sink: lost - before.drops.get(sink, 0) for sink, lost in self.drops.items()}
        counted = self.frames_in - before.frames_in, self.late - before.late, self.skipped - before.skipped
        return Told(self.state, self.size, covers, *counted, self.delay, drops, self.errors)

    @property
    def late_share(self) -> float:
        """Share of the camera's pictures that came out late or, for lack of time, not at all."""
        return (self.late + self.skipped) / max(1, self.frames_in + self.skipped)


class Veilcast:
    """Runs `veilcast live` with these arguments and its web server; a context manager that ends it with SIGTERM.

    `log` is where its standard error goes. `rtsp` serves RTSP too. `environment` comes on top of that of the tests, and
    `descriptors` is how many files it may have open.
    """

    def __init__(
        self,
        *arguments: str,
        log: Path,
        rtsp: bool = True,
        environment: Mapping[str, str] | None = None,
        descriptors: int | None = None,
    ) -> None:
        self.web, self.rtsp = free_port(), free_port() if rtsp else None
        self._arguments = [*arguments, "--webrtc", str(self.web)]
        if self.rtsp is not None:
            self._arguments += ["--rtsp", str(self.rtsp)]
        self._log = log
        self._environment = environment or {}
        self._limited = [] if descriptors is None else ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Veilcast:
        with self._log.open("wb") as log:
            command = [*self._limited, str(PROGRAM), "live", *self._arguments]
            self._process = subprocess.Popen(command, stderr=log, env=os.environ | self._environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self.stop()
        if error is None:
            assert code == 0, self.log

    @property
    def log(self) -> str:
        """What it said on standard error."""
        return self._log.read_text("utf-8", "replace")

    @property
    def pid(self) -> int:
        """The process to measure."""
        assert self._process is not None
        return self._process.pid

    def url(self, name: str = "camera") -> str:
        """Where RTSP clients find the stream."""
        return f"rtsp://127.0.0.1:{self.rtsp}/{name}"

    def whep(self, name: str = "camera") -> str:
        """Where WebRTC clients find the stream."""
        return f"http://127.0.0.1:{self.web}/whep/{name}"

    def told(self, name: str = "camera") -> Told:
        """What it says of the stream. Raises OSError when it does not answer."""
        headers = {"Authorization": f"Bearer {token}"} if (token := self._environment.get("VEILCAST_TOKEN")) else {}
        with urlopen(Request(f"http://127.0.0.1:{self.web}/api/streams", headers=headers), timeout=5) as answer:
            streams = {stream["name"]: stream for stream in json.load(answer)}
        said = streams[name]
        return Told(
            said["state"],
            (said["width"], said["height"]),
            said["frames"],
            said["frames_in"],
            said["frames_late"],
            said["frames_skipped"],
            (said["delay"][0], said["delay"][1]),
            said["drops"],
            tuple(said["errors"]),
        )

    def until(self, true: Callable[[Told], bool], name: str = "camera", timeout: float = WAIT) -> Told:
        """Wait for the stream to be like this. Raises TimeoutError; RuntimeError when the program ended."""
        deadline = time.monotonic() + timeout
        while True:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"veilcast ended: {self.log}")
            try:
                if true(told := self.told(name)):
                    return told
            except (URLError, ConnectionError, TimeoutError, KeyError):
                pass  # it has not started yet
            if time.monotonic() > deadline:
                raise TimeoutError(self.log)
            time.sleep(0.1)

    def until_settled(self, name: str = "camera") -> Told:
        """Wait until masks are settled, as they are in normal operation."""
        return self.until(lambda told: told.frames.get("settled", 0) >= 5, name)

    def stop(self) -> int:
        """Ask it to end; its exit code. Raises AssertionError when it did not end in time."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(DRAIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"it did not end within {DRAIN:g} s of SIGTERM: {self.log}") from None
