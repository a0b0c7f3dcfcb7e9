from __future__ import annotations

import logging
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
import pytest

from streamer.live.encoder import LiveEncoder
from streamer.live.packet import CLOCK, VideoFormat, VideoPacket
from streamer.live.push.pusher import Pusher
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.settings.encoder import LiveEncoderConfig
from streamer.settings.rtsp import PushConfig
from tests.rigs.live.producing import Producer, masked, number_of

WAIT = 30.0
SECRET = "s3cretX"
SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).parents[3] / "rigs" / "live" / "gst_record_server.py"


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def workers(parent: int) -> list[int]:
    """Process IDs of `parent`'s push processes."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_text().split("\0")
            parents = re.findall(r"^PPid:\s*(\d+)", (entry / "status").read_text(), re.MULTILINE)
        except OSError:
            continue
        if any(word.endswith("push/worker.py") for word in words) and str(parent) in parents:
            found.append(int(entry.name))
    return found


def running(process: int) -> bool:
    """False for zombies, too."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert workers(os.getpid()) == []
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("veilcast-push")]


@pytest.fixture(scope="session")
def gst() -> None:
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if shutil.which(SYSTEM_PYTHON) is None or subprocess.run([SYSTEM_PYTHON, "-c", probe], check=False).returncode:
        pytest.skip("needs GStreamer's RTSP server (Debian: gir1.2-gst-rtsp-server-1.0 python3-gi)")


class Server:
    """A real RTSP server in a process of its own; a context manager that kills it."""

    def __init__(self, folder: Path, port: int, *account: str) -> None:
        self.file = folder / f"received-{time.monotonic_ns()}.h264"
        self.url = f"rtsp://127.0.0.1:{port}/door"
        self.steps: list[str] = []
        command = [SYSTEM_PYTHON, str(SERVER), str(port), str(self.file), *account]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        until(lambda: "ready" in self.steps)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.steps.append(line.strip())

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def received(self) -> int:
        """Bytes received so far."""
        return self.file.stat().st_size if self.file.exists() else 0

    def pictures(self) -> list[int]:
        """Number of every picture that can be decoded."""
        with av.open(self.file, format="h264") as container:
            return [number_of(f.to_ndarray(format="bgr24").astype(np.uint8)) for f in container.decode(video=0)]


def output() -> StreamOutput:
    return StreamOutput("door", lambda: Snapshot("door"))


@pytest.mark.slow
@pytest.mark.usefixtures("gst")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_real_server_gets_the_stream(tmp_path: Path, transport: str) -> None:
    with Server(tmp_path, free_port()) as server, Producer(period=500) as producer:
        pusher = Pusher(producer.output, server.url, PushConfig.model_validate({"transport": transport}))
        assert pusher.connected_since is None
        pusher.start()
        until(lambda: pusher.connected_since)
        assert abs(time.time() - (pusher.connected_since or 0.0)) < WAIT and pusher.trouble is None
        until(lambda: server.received() > 60_000)
        begun = time.monotonic()
        assert pusher.close()
        assert time.monotonic() - begun < 3.0
        until(lambda: "closed" in server.steps)
        assert server.steps == ["ready", "connected", "announce", "record", "teardown", "closed"]
        numbers = server.pictures()
    # The first picture is the one that the stream was described with; the others follow without a gap.
    assert len(numbers) > 10
    assert numbers[1:] == list(range(numbers[1], numbers[1] + len(numbers) - 1))
    assert pusher.drops == 0 and pusher.connected_since is None


@pytest.mark.slow
@pytest.mark.usefixtures("gst")
def test_a_server_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    with Producer(period=500) as producer:
        other = producer.output.packets.subscribe("other", 5000)
        with Server(tmp_path, port) as first:
            pusher = Pusher(producer.output, first.url, PushConfig())
            pusher.start()
            until(lambda: first.received() > 20_000)
        until(lambda: pusher.trouble)
        assert pusher.connected_since is None
        with Server(tmp_path, port) as second:
            back = time.monotonic()
            until(lambda: second.received() > 10_000)
            assert time.monotonic() - back < 6.0
            assert pusher.trouble is None and pusher.reconnects == 1
            assert pusher.close()
            until(lambda: "closed" in second.steps)
            numbers = second.pictures()
        assert numbers[1:] == list(range(numbers[1], numbers[1] + len(numbers) - 1))
        assert other.dropped == 0


@pytest.mark.slow
@pytest.mark.usefixtures("gst")
def test_a_server_that_starts_later(tmp_path: Path) -> None:
    port = free_port()
    with Producer() as producer:
        pusher = Pusher(producer.output, f"rtsp://127.0.0.1:{port}/door", PushConfig())
        pusher.start()
        until(lambda: pusher.trouble)
        assert pusher.trouble == f"cannot push to rtsp://127.0.0.1:{port}/door: Connection refused"
        with Server(tmp_path, port) as server:
            until(lambda: server.received() > 1000)
            assert pusher.close()
            until(lambda: "teardown" in server.steps)


@pytest.mark.slow
@pytest.mark.usefixtures("gst")
def test_credentials_are_used_and_never_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    port = free_port()
    with Server(tmp_path, port, "user", SECRET) as server, Producer() as producer:
        shown: list[str] = []
        for password in (SECRET, f"not{SECRET}"):
            pusher = Pusher(producer.output, f"rtsp://user:{password}@127.0.0.1:{port}/door", PushConfig())
            pusher.start()
            until(lambda pusher=pusher: pusher.connected_since or pusher.trouble)  # type: ignore[misc]
            for worker in workers(os.getpid()):
                shown += [Path(f"/proc/{worker}/{part}").read_text() for part in ("cmdline", "environ")]
            assert bool(pusher.connected_since) == (password == SECRET)
            shown += [pusher.trouble or "", pusher.target, repr(pusher)]
            assert pusher.close()
        assert "record" in server.steps
    assert any("401" in text for text in shown), shown
    assert SECRET not in "".join(shown) + caplog.text
    assert "pushing to rtsp://***@127.0.0.1" in caplog.text


class Silent:
    """Accepts connections and never answers; a context manager."""

    def __enter__(self) -> Silent:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.accepted: queue.Queue[socket.socket] = queue.Queue()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        self.url = f"rtsp://127.0.0.1:{self._socket.getsockname()[1]}/door"
        return self

    def _accept(self) -> None:
        try:
            while True:
                self.accepted.put(self._socket.accept()[0])
        except OSError:
            return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        while not self.accepted.empty():
            self.accepted.get().close()


@pytest.mark.slow
def test_a_silent_server_times_out_and_blocks_nothing() -> None:
    with Silent() as server, Producer() as producer:
        other = producer.output.packets.subscribe("other", 5000)
        pusher = Pusher(producer.output, server.url, PushConfig(timeout=0.7))
        pusher.start()
        until(lambda: pusher.trouble)
        assert pusher.trouble == f"cannot push to {server.url}: no answer within 0.7 s"
        # It comes again.
        accepted = [server.accepted.get(timeout=WAIT) for _ in range(2)]
        assert pusher.close()
        assert other.dropped == 0 and producer.published > 10
        for each in accepted:
            each.close()


def test_closing_while_a_server_is_silent() -> None:
    with Silent() as server, Producer() as producer:
        pusher = Pusher(producer.output, server.url, PushConfig(timeout=60))
        pusher.start()
        server.accepted.get(timeout=WAIT).recv(1)
        begun = time.monotonic()
        assert pusher.close()
        assert time.monotonic() - begun < 3.0


@pytest.mark.slow
@pytest.mark.usefixtures("gst")
@pytest.mark.parametrize("timeout", [60.0, 1.0])
def test_a_server_that_hangs_loses_its_own_packets_only(tmp_path: Path, timeout: float) -> None:
    stream, data = output(), b"\0\0\0\1\x41" + os.urandom(150_000).replace(b"\0", b"\1")
    encoder = LiveEncoder(320, 240, Fraction(25), LiveEncoderConfig(preset="ultrafast"))
    (real,) = encoder.encode(masked(0, 320, 240), 0, 0.0)
    other = stream.packets.subscribe("other", 100_000)
    number = 0

    def publish(count: int = 1, wait: float = 0.01) -> None:
        nonlocal number
        for _ in range(count):
            body = real.data + data if number % 5 == 0 else data
            stream.publish(VideoPacket(body, number * 3600, 3600, number % 5 == 0, 0.0, real.format))
            number += 1
            time.sleep(wait)

    with Server(tmp_path, free_port()) as server:
        pusher = Pusher(stream, server.url, PushConfig(timeout=timeout))
        pusher.start()
        until(lambda: publish() or server.received() > 400_000)  # type: ignore[func-returns-value]
        server.process.send_signal(signal.SIGSTOP)
        if timeout > 10:
            until(lambda: publish() or pusher.drops > 0)  # type: ignore[func-returns-value]
        else:
            until(lambda: publish() or "no answer" in (pusher.trouble or ""))  # type: ignore[func-returns-value]
            server.process.send_signal(signal.SIGCONT)
            until(lambda: publish(wait=0.04) or pusher.reconnects > 0)  # type: ignore[func-returns-value]
            server.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        assert pusher.close()
        assert time.monotonic() - begun < 3.0
        server.process.send_signal(signal.SIGCONT)
    assert other.dropped == 0 and len(other) == number


@pytest.mark.usefixtures("gst")
def test_another_format_is_another_connection(tmp_path: Path) -> None:
    stream = output()
    encoders = [LiveEncoder(w, 240, Fraction(25), LiveEncoderConfig(preset="ultrafast")) for w in (320, 640)]
    number = 0

    def publish(which: int) -> VideoFormat:
        nonlocal number
        width = encoders[which].width
        for packet in encoders[which].encode(masked(number, width, 240), number * CLOCK // 25, 0.0, key=True):
            stream.publish(packet)
        number += 1
        time.sleep(0.02)
        assert packet.format
        return packet.format

    with Server(tmp_path, free_port()) as server:
        pusher = Pusher(stream, server.url, PushConfig())
        pusher.start()
        until(lambda: publish(0) and server.received() > 20_000)
        until(lambda: publish(1) and server.steps.count("record") == 2)
        until(lambda: publish(1) and pusher.connected_since)
        assert pusher.trouble is None and pusher.close()
        assert server.steps[1:6] == ["connected", "announce", "record", "teardown", "closed"]


ORPHANED = """
import sys, time
from streamer.settings.rtsp import PushConfig
from streamer.live.push.pusher import Pusher
from tests.rigs.live.producing import Producer
with Producer() as producer:
    pusher = Pusher(producer.output, sys.argv[1], PushConfig())
    pusher.start()
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("gst")
def test_the_process_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    with Server(tmp_path, free_port()) as server:
        parent = subprocess.Popen([sys.executable, "-c", ORPHANED, server.url])
        try:
            until(lambda: server.received() > 1000)
            (worker,) = workers(parent.pid)
            assert running(worker)
        finally:
            parent.kill()
            parent.wait()
        until(lambda: "teardown" in server.steps)
        until(lambda: not running(worker))


@pytest.mark.parametrize("url", [f"http://u:{SECRET}@nvr/door", f"u:{SECRET}@nvr", "", f"rtsp://u:{SECRET}@nvr/a b"])
def test_not_an_address(url: str) -> None:
    with pytest.raises(ValueError, match="rtsp://") as caught:
        Pusher(output(), url, PushConfig())
    assert SECRET not in str(caught.value)


def test_close_without_start_without_packets_and_after_the_end() -> None:
    assert Pusher(output(), "rtsp://127.0.0.1:9/door", PushConfig()).close()
    for end in (True, False):
        stream = output()
        pusher = Pusher(stream, "rtsp://127.0.0.1:9/door", PushConfig())
        pusher.start()
        if end:
            stream.close()
            until(lambda pusher=pusher: not pusher._thread.alive)  # type: ignore[misc]
        assert pusher.close() and pusher.trouble is None
