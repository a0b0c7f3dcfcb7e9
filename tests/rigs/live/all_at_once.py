"""One camera, and everybody who can watch at the same time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.rigs.camera.recorder import Recorder
from tests.rigs.camera.rtsp_camera import RtspCamera
from tests.rigs.live.clients import Client, PushServer, decoded, gst_client, whep_client
from tests.rigs.live.face_scene import Scene, Seen, judge
from tests.rigs.live.veilcast_process import Told, Veilcast


@dataclass(frozen=True)
class Result:
    """`told` counts from when everybody was there to the end of the measurement; `seen` by client."""

    told: Told
    seen: dict[str, Seen]
    log: str


def everybody(scene: Scene, folder: Path, seconds: float, *, gstreamer: bool = True, webrtc: bool = True) -> Result:
    """Camera -> veilcast -> RTSP over TCP and UDP, push, WebRTC and a recording, for so long."""
    server = PushServer.at(folder)
    recordings = folder / "recordings"
    log = folder / "veilcast.log"
    with ExitStack() as stack:
        camera = stack.enter_context(RtspCamera(scene.clip, login="user:secret"))
        stack.enter_context(server.program)
        server.program.until_it_says("ready")
        arguments = [camera.url, "--name", "camera", "--push", server.url, "--record", str(recordings)]
        veilcast = stack.enter_context(Veilcast(*arguments, log=log))
        veilcast.until_settled()
        clients: dict[str, Client] = {
            "RTSP/TCP (ffmpeg)": Recorder(veilcast.url(), folder, "tcp", "tcp"),
            "RTSP/UDP (ffmpeg)": Recorder(veilcast.url(), folder, "udp", "udp"),
        }
        if gstreamer:
            clients["RTSP/TCP (GStreamer)"] = gst_client(veilcast.url(), folder)
        if webrtc:
            clients["WebRTC (aiortc)"] = whep_client(veilcast.whep(), folder)
        with ExitStack() as watching:
            for client in clients.values():
                watching.enter_context(client)
            for name, client in clients.items():
                _await_data(client.path, name)
            before = veilcast.told()
            time.sleep(seconds)
            told = veilcast.told().since(before)
    files = {name: [client.path] for name, client in clients.items()}
    files["push (gst-rtsp-server)"] = [server.program.path]
    files["recording"] = sorted((recordings / "camera").iterdir())
    seen = {name: judge(scene, decoded(*paths)) for name, paths in files.items()}
    return Result(told, seen, log.read_text("utf-8", "replace"))


def table(result: Result) -> Iterator[str]:
    """Lines in Markdown."""
    told = result.told
    counts = ", ".join(f"{count} {cover}" for cover, count in told.frames.items() if count)
    late = f"{told.late} late, {told.skipped} skipped of {told.frames_in} = {100 * told.late_share:.2f} %"
    yield f"{counts}; {late}; delay p50 {1000 * told.delay[0]:.0f} ms, p95 {1000 * told.delay[1]:.0f} ms"
    yield f"dropped packets: {told.drops}"
    yield ""
    yield "| client | pictures sent | received | masked whole | damaged | showing a face |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, seen in result.seen.items():
        yield (f"| {name} | {seen.sent} | {seen.received} | {seen.blanket} | {len(seen.unclear)} | {len(seen.leaks)} |")


def _await_data(path: Path, name: str, timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not (path.exists() and path.stat().st_size):
        if time.monotonic() > deadline:
            log = path.with_suffix(".log")
            raise TimeoutError(f"{name} received nothing: {log.read_text('utf-8', 'replace')}")
        time.sleep(0.05)
