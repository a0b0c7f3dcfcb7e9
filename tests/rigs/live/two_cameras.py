"""Two cameras, one configuration, one process."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import yaml

from tests.rigs.camera.recorder import Recorder
from tests.rigs.camera.rtsp_camera import RtspCamera
from tests.rigs.live.clients import decoded
from tests.rigs.live.face_scene import Seen, face_scene, judge
from tests.rigs.live.veilcast_process import Told, Veilcast

NAMES = ("front", "back")
RATE = 15


def two_cameras(folder: Path, seconds: float, size: tuple[int, int] = (1280, 720)) -> dict[str, tuple[Told, Seen]]:
    """By stream: veilcast's statistics for those seconds, and what a client saw meanwhile."""
    scene = face_scene(folder, size, RATE)
    with ExitStack() as stack:
        cameras = {name: stack.enter_context(RtspCamera(scene.clip)) for name in NAMES}
        config = folder / "two.yaml"
        streams = [{"name": name, "source": camera.url} for name, camera in cameras.items()]
        config.write_text(yaml.safe_dump({"live": {"streams": streams}}), "utf-8")
        veilcast = stack.enter_context(Veilcast("--config", str(config), log=folder / "veilcast.log"))
        for name in NAMES:
            veilcast.until_settled(name)
        with ExitStack() as watching:
            recorders = {
                name: watching.enter_context(Recorder(veilcast.url(name), folder, name=name)) for name in NAMES
            }
            for recorder in recorders.values():
                recorder.wait_for_data()
            before = {name: veilcast.told(name) for name in NAMES}
            time.sleep(seconds)
            told = {name: veilcast.told(name).since(before[name]) for name in NAMES}
    return {name: (told[name], judge(scene, decoded(recorders[name].path))) for name in NAMES}
