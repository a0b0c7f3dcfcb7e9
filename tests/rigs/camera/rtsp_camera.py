"""A real RTSP camera in a process of its own that can be killed, restarted and made to hang."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Literal

import av
import pytest
from av.bitstream import BitStreamFilterContext

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@cache
def _missing() -> str | None:
    if not Path(SYSTEM_PYTHON).exists():
        return f"{SYSTEM_PYTHON} is missing"
    found = subprocess.run([SYSTEM_PYTHON, "-c", _PROBE], capture_output=True, timeout=30, check=False)
    return "gst-rtsp-server's Python bindings are missing (gir1.2-gst-rtsp-server-1.0)" if found.returncode else None


def require_gst() -> None:
    """Skip the test where gst-rtsp-server is not installed."""
    if (why := _missing()) is not None:
        pytest.skip(why)


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RtspCamera:
    """Shows the clip (H.264 without B-frames) in a loop at `url`; a context manager. With `audio` it plays the clip's
    audio too (AAC or PCMA), which must be as long as the pictures.

    `login` is "user:password". `loss` is the share of RTP packets that never leave the camera, the sequence numbers
    telling. Skips the test where gst-rtsp-server is missing; raises RuntimeError when the camera does not come up.
    """

    def __init__(
        self,
        clip: Path,
        *,
        login: str = "",
        auth: Literal["basic", "digest"] = "digest",
        transport: Literal["any", "tcp", "udp"] = "any",
        loss: float = 0.0,
        rate: float | None = None,
        audio: bool = False,
    ) -> None:
        require_gst()
        self.port = free_port()
        self._login, self._auth = login, auth if login else "none"
        self._transport, self._loss, self._rate = transport, loss, rate
        self._audio = audio
        self._folder = TemporaryDirectory(prefix="camera-")
        self._clip = clip
        self._process: subprocess.Popen[str] | None = None

    @property
    def plain_url(self) -> str:
        """The address without the login."""
        return f"rtsp://127.0.0.1:{self.port}/stream1"

    @property
    def url(self) -> str:
        """The address, with the login where there is one."""
        return self.plain_url.replace("//", f"//{self._login}@") if self._login else self.plain_url

    @property
    def pid(self) -> int:
        """The process to measure."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> RtspCamera:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Switch the camera on; returns once it listens."""
        assert self._process is None
        units = Path(self._folder.name, "units")
        rate = _write_units(self._clip, units)
        self._process = subprocess.Popen(
            [
                *(SYSTEM_PYTHON, str(SERVER), "--units", str(units), "--rate", str(self._rate or rate)),
                *("--port", str(self.port), "--transport", self._transport),
                *("--auth", self._auth, "--loss", str(self._loss)),
                *(_audio_options(self._clip, Path(self._folder.name, "audio")) if self._audio else ()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(self._login + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()  # it gives up by itself when it cannot listen
        if not line.startswith("READY"):
            raise RuntimeError(f"the camera did not start: {line!r}")

    def kill(self) -> None:
        """Switch it off without a word to anyone (SIGKILL)."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process = None

    def restart(self, clip: Path | None = None) -> None:
        """Kill it if it runs and switch it on again at the same address, now showing `clip`."""
        self.kill()
        self._clip = clip or self._clip
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay, nothing is sent."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill it for good."""
        self.kill()
        self._folder.cleanup()


def _write_units(clip: Path, target: Path) -> float:
    """The access units of the clip in Annex B form, each behind its length; returns the clip's frame rate."""
    with av.open(str(clip)) as container, target.open("wb") as file:
        stream = container.streams.video[0]
        to_annex_b = BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in container.demux(stream):
            for unit in to_annex_b.filter(packet if packet.size else None):
                data = bytes(unit)
                file.write(struct.pack(">I", len(data)) + data)
        return float(stream.average_rate or 25)


def _audio_options(clip: Path, target: Path) -> tuple[str, ...]:
    """The packets of the clip's audio as above, the encoder's priming left out; what to tell the server of them."""
    with av.open(str(clip)) as container, target.open("wb") as file:
        stream = container.streams.audio[0]
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None and packet.pts >= 0:
                data = bytes(packet)
                file.write(struct.pack(">I", len(data)) + data)
        context = stream.codec_context
        shape = f"rate={context.sample_rate},channels={context.channels}"
        if context.name == "aac":
            config = (context.extradata or b"").hex()
            caps = f"audio/mpeg,mpegversion=4,stream-format=raw,codec_data=(buffer){config},{shape}"
        else:
            caps = f"audio/x-alaw,{shape}"
    return "--audio", str(target), "--audio-caps", caps
