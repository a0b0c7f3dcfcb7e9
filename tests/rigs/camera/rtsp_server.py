"""An RTSP camera on gst-rtsp-server; run by the system's Python, which alone has GStreamer's bindings.

Serves H.264 access units (a file of them, each behind its length in four bytes, big endian) in a loop, in real time;
with --audio also packets of audio, in a file like that, at even distances over the same time.
Prints one line, `READY port`, once it listens. The first client starts it at the first access unit.
"""

# mypy: ignore-errors

import argparse
import struct
import sys
import threading
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"
TRANSPORTS = {
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "any": GstRtsp.RTSPLowerTrans.TCP | GstRtsp.RTSPLowerTrans.UDP,
}


def read_units(path: Path) -> list[bytes]:
    data, at, units = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        units.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return units


class Feeder:
    """Pushes the units into an appsrc at `rate` until it is refused or told to stop; audio into another one."""

    def __init__(
        self, source: Gst.Element, units: list[bytes], rate: float, speaker: Gst.Element | None, audio: list[bytes]
    ) -> None:
        self.source, self.units, self.rate = source, units, rate
        self.speaker, self.audio, self.said = speaker, audio, 0
        self.stopped = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        due, number, pts, before = time.monotonic(), 0, 0, 0.0
        while not self.stopped.wait(max(0.0, due - time.monotonic())):
            buffer = Gst.Buffer.new_wrapped(self.units[number % len(self.units)])
            if self.speaker is not None:
                # Stamped, not timed: audio and picture are exactly together.
                pts = self.running_time() if number == 0 else pts + round(1e9 * (due - before))
                buffer.pts, before = pts, due
                self.speak(number, pts)
            if self.source.emit("push-buffer", buffer) not in (Gst.FlowReturn.OK, Gst.FlowReturn.FLUSHING):
                return
            number += 1
            # A camera that was stopped for a while goes on from now instead of catching up.
            due = max(due + 1 / self.rate, time.monotonic() - 0.5)

    def running_time(self) -> int:
        while (clock := self.source.get_clock()) is None or self.source.get_base_time() == 0:
            time.sleep(0.001)  # it does not play yet
        return clock.get_time() - self.source.get_base_time()

    def speak(self, number: int, pts: int) -> None:
        """All audio that begins while picture `number` is shown."""
        period = len(self.units) / self.rate / len(self.audio)
        while (ahead := self.said * period - number / self.rate) < 1 / self.rate - 1e-6:
            buffer = Gst.Buffer.new_wrapped(self.audio[self.said % len(self.audio)])
            buffer.pts, buffer.duration = pts + round(1e9 * ahead), round(1e9 * period)
            self.speaker.emit("push-buffer", buffer)
            self.said += 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--audio-caps", default="")
    parser.add_argument("--port", default="0")
    parser.add_argument("--path", default="/stream1")
    parser.add_argument("--transport", choices=TRANSPORTS, default="any")
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--auth", choices=("none", "basic", "digest"), default="none")
    options = parser.parse_args()
    user, password = sys.stdin.readline().rstrip("\n").partition(":")[::2]
    Gst.init(None)
    units = read_units(options.units)
    pay = "rtph264pay name=pay0 pt=96 config-interval=0 mtu=1200"
    if options.loss:
        pay = f"rtph264pay pt=96 config-interval=0 mtu=1200 ! identity name=pay0 drop-probability={options.loss}"
    factory = GstRtspServer.RTSPMediaFactory()
    audio = [] if options.audio is None else read_units(options.audio)
    stamped = "false" if audio else "true"
    speaker = ""
    if audio:
        speak = "rtpmp4gpay" if options.audio_caps.startswith("audio/mpeg") else "rtppcmapay"
        speaker = (
            f" appsrc name=speak is-live=true format=time max-bytes=1000000 caps={options.audio_caps}"
            f" ! {speak} name=pay1 pt=97"
        )
    factory.set_launch(
        f"( appsrc name=feed is-live=true format=time do-timestamp={stamped} max-bytes=8000000 caps={CAPS}"
        f" ! h264parse ! {pay}{speaker} )"
    )
    factory.set_shared(True)
    factory.set_latency(0)
    factory.set_protocols(TRANSPORTS[options.transport])

    def configure(_factory: object, media: GstRtspServer.RTSPMedia) -> None:
        element = media.get_element()
        feeder = Feeder(element.get_by_name("feed"), units, options.rate, element.get_by_name("speak"), audio)
        media.connect("unprepared", lambda _: feeder.stopped.set())

    factory.connect("media-configure", configure)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    if options.auth != "none":
        auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if options.auth == "digest":
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        else:
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(options.path, factory)
    loop = GLib.MainLoop()
    deadline = time.monotonic() + 5
    while server.attach(None) == 0:  # the port may still be in use by the one that was just killed
        if time.monotonic() > deadline:
            sys.exit("cannot listen")
        time.sleep(0.05)

    def expire() -> bool:
        server.get_session_pool().cleanup()
        return True

    GLib.timeout_add_seconds(2, expire)
    print(f"READY {server.get_bound_port()}", flush=True)  # noqa: T201
    loop.run()


if __name__ == "__main__":
    main()
