"""Camera -> proxy -> `veilcast live` -> RTSP client, push server, recording; every part can be made to fail."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest

from tests.rigs.camera.garbling_proxy import GarblingProxy
from tests.rigs.camera.recorder import Recorder
from tests.rigs.camera.rtsp_camera import SYSTEM_PYTHON, RtspCamera, free_port
from tests.rigs.faults.clips import Footage
from tests.rigs.faults.disk import SmallDisk
from tests.rigs.faults.live_process import LiveProcess
from tests.rigs.live.rtsp_client import Client

DRIVER = "tests.rigs.faults.driver"
PUSH_SERVER = Path(__file__).parents[1] / "live" / "gst_record_server.py"
SETTINGS = """
mask: {style: solid, color: [0, 90, 160]}
live:
  detector_timeout: 1.0
  recording: {segment_seconds: 5, keep_mb: %d}
  pushing: {timeout: 2}
"""


class PushServer:
    """A push target that can be killed."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, str(PUSH_SERVER), str(self.port), "/dev/null"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
        self.process = None


@dataclass(frozen=True)
class Options:
    """Options of the rig. `injected`: detector and encoder fail on command."""

    injected: bool = False
    sinks: bool = False
    """Record to a small disk and push to a server, too."""
    disk_mb: int = 16


class Rig:
    """A context manager; entered, the client records and pictures are masked face by face."""

    def __init__(self, footage: Footage, folder: Path, options: Options) -> None:
        self.footage, self.options = footage, options
        self._folder = folder
        self._stack = ExitStack()
        self.stalled: list[Client] = []
        self.hogs: list[subprocess.Popen[bytes]] = []
        self.push = PushServer()

    def __enter__(self) -> Rig:
        with ExitStack() as stack:
            self._enter(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def settle(self, timeout: float = 60.0) -> None:
        """Return once the newest picture is masked face by face. Raises RuntimeError."""
        self.live.until(lambda: self.live.metrics().get("state{settled}") == 1, "settled", timeout)

    def stall_client(self) -> None:
        """Add a client that plays but never reads."""
        client = Client(self._rtsp_port, receive_buffer=2048)
        client.set_up()
        client.play()
        self.stalled.append(client)

    def leave(self) -> None:
        """Disconnect the stalled clients."""
        for client in self.stalled:
            client.__exit__(None, None, None)
        self.stalled = []

    def burn(self, processes: int) -> None:
        """Start that many busy loops, to starve the CPU."""
        self.hogs += [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]

    def cool(self) -> None:
        """Stop the busy loops."""
        for hog in self.hogs:
            hog.kill()
            hog.wait(10)
        self.hogs = []

    def _enter(self, stack: ExitStack) -> None:
        if not Path(SYSTEM_PYTHON).exists():
            pytest.skip(f"{SYSTEM_PYTHON} is missing: no gst-rtsp-server")
        self.camera = stack.enter_context(RtspCamera(self.footage.large))
        self.proxy = stack.enter_context(GarblingProxy(self.camera.url))
        config = self._folder / "settings.yaml"
        config.write_text(SETTINGS % max(1, self.options.disk_mb // 3))
        arguments = [self.proxy.url, "--rtsp", "0/door", "--webrtc", "0", "--transport", "tcp", "--config", str(config)]
        if self.options.sinks:
            self.disk = stack.enter_context(SmallDisk(self._folder, self.options.disk_mb))
            stack.callback(self.push.kill)
            self.push.start()
            arguments += ["--record", str(self.disk.path), "--push", f"rtsp://127.0.0.1:{self.push.port}/door"]
        module = DRIVER if self.options.injected else "streamer.cli.main"
        self.live = stack.enter_context(LiveProcess(arguments, module))
        stack.callback(self.cool)
        stack.callback(self.leave)
        url = self.live.address("rtsp")
        self._rtsp_port = int(url.rpartition(":")[2].partition("/")[0])
        self.settle()
        self.recorder = stack.enter_context(Recorder(url, self._folder))
        self.recorder.wait_for_data(30)
        time.sleep(0.5)
