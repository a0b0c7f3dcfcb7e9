"""A camera at 720p15 beside jobs that never stop: which share of its pictures comes out late?

    python -m tests.bench.bench_service_camera [--seconds 60]

`veilcast serve` with one camera (a real RTSP server) and one worker. First the camera alone, then beside jobs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from tests.rigs import faces
from tests.rigs.camera.rtsp_camera import RtspCamera, free_port
from tests.rigs.live.face_scene import face_scene
from tests.rigs.live.veilcast_process import PROGRAM

RATE = 15
WAIT = 60.0  # seconds for the camera's picture to come
ALL_LATE = 0.005  # the bar
Counts = tuple[int, int, int]
"""Pictures that came in, came out late, and were skipped."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = face_scene(folder, (1280, 720), RATE)
        job = faces.write(folder / "job.mp4", faces.panned().pictures * 4).read_bytes()
        with RtspCamera(scene.clip) as camera, _serving(folder, camera.url) as client:
            _until_shown(client)
            _print("camera alone", _during(client, options.seconds))
            stop = threading.Event()
            done = list[int]()
            feeder = threading.Thread(target=_feed, args=(client, job, stop, done), name="feeder")
            feeder.start()
            try:
                time.sleep(3)
                told = _during(client, options.seconds)
            finally:
                stop.set()
                feeder.join()
            _print(f"beside jobs ({len(done)} ended)", told)


@contextmanager
def _serving(folder: Path, camera: str) -> Iterator[httpx.Client]:
    port = free_port()
    config = folder / "serve.yaml"
    said = {
        "live": {"streams": [{"name": "door", "source": camera}]},
        "service": {"listen": f"127.0.0.1:{port}", "data": str(folder / "data"), "workers": 1, "picture_workers": 1},
    }
    config.write_text(yaml.safe_dump(said), "utf-8")
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", "--config", str(config)], stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield client
        finally:
            process.terminate()
            process.wait(30)


def _until_shown(client: httpx.Client) -> None:
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            if client.get("/v1/streams").json()[0]["state"] in ("settled", "held"):
                time.sleep(5)
                return
        except (httpx.HTTPError, IndexError):
            pass
        time.sleep(0.5)
    raise SystemExit("the camera never came")


def _counts(client: httpx.Client) -> Counts:
    [stream] = client.get("/v1/streams").json()
    return stream["frames_in"], stream["frames_late"], stream["frames_skipped"]


def _during(client: httpx.Client, seconds: float) -> Counts:
    before = _counts(client)
    time.sleep(seconds)
    came, late, skipped = (now - then for now, then in zip(_counts(client), before, strict=True))
    return came, late, skipped


def _feed(client: httpx.Client, content: bytes, stop: threading.Event, done: list[int]) -> None:
    """Keep two jobs waiting; each differs from the others by its last bytes, so that none is known already."""
    waiting = list[str]()
    number = 0
    while not stop.is_set():
        while len(waiting) < 3:
            number += 1
            free = len(str(number)) + 16
            box = free.to_bytes(4, "big") + b"free" + b"0" * 8 + str(number).encode()
            upload = client.post("/v1/uploads", content=content + box).raise_for_status().json()["id"]
            answer = client.post("/v1/jobs", json={"upload": upload}).raise_for_status().json()
            waiting.append(answer["id"])
        time.sleep(0.5)
        for job in list(waiting):
            state = client.get(f"/v1/jobs/{job}").json()
            if state["state"] not in ("queued", "running"):
                if state["state"] != "done":
                    raise SystemExit(f"a job failed: {json.dumps(state)}")
                waiting.remove(job)
                done.append(1)


def _print(name: str, told: Counts) -> None:
    came, late, skipped = told
    share = (late + skipped) / max(1, came + skipped)
    verdict = "met" if share <= ALL_LATE else "missed"
    counted = f"{came} pictures, {late} late, {skipped} skipped: {100 * share:.2f} %"
    sys.stdout.write(f"{name}: {counted} (bar 0.5 %: {verdict})\n")


if __name__ == "__main__":
    main()
