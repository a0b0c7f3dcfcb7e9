"""Every program in examples/ runs as it stands, on input made here, and masks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.pictures.planes import BgrImage
from streamer.settings.live import LiveSettings
from streamer.settings.loading import load
from streamer.settings.service import ServeSettings
from tests.rigs.camera.rtsp_camera import free_port
from tests.rigs.faces import Clip, Grey, panned
from tests.rigs.faces import write as write_clip
from tests.rigs.leaks import visible_share
from tests.rigs.service.running import running_service

EXAMPLES = Path(__file__).parent.parent / "examples"
FRAMES = 25


@pytest.fixture(scope="module")
def faces() -> Clip:
    whole = panned()
    return Clip(whole.pictures[:FRAMES], whole.faces[:FRAMES])


@pytest.fixture(scope="module")
def film(faces: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("examples") / "in.mp4", faces.pictures)


def run(
    name: str, *arguments: object, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def pictures(path: Path) -> list[BgrImage]:
    capture = cv2.VideoCapture(str(path))
    found: list[BgrImage] = []
    while True:
        there, picture = capture.read()
        if not there:
            return found
        found.append(np.asarray(picture, np.uint8))


def grey(picture: BgrImage) -> Grey:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def assert_masked(found: list[BgrImage], faces: Clip) -> None:
    assert len(found) == len(faces.pictures)
    boxes = [(index, box) for index, there in enumerate(faces.faces) for box in there]
    assert len(boxes) > FRAMES / 2
    for index, box in boxes:
        assert visible_share(grey(faces.pictures[index]), grey(found[index]), box) < 0.25, f"picture {index}"


@pytest.mark.slow
def test_mask_file(film: Path, faces: Clip, tmp_path: Path) -> None:
    done = run("mask_file.py", film, tmp_path / "out.mp4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(f"{FRAMES} frames, 1 faces, 0.0 s masked whole")
    assert_masked(pictures(tmp_path / "out.mp4"), faces)


def test_mask_file_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    done = run("mask_file.py", tmp_path / "gone.mp4", tmp_path / "out.mp4")
    assert done.returncode == 2 and "gone.mp4" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_mask_arrays(film: Path, faces: Clip, tmp_path: Path) -> None:
    done = run("mask_arrays.py", film, tmp_path / "pictures")
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "pictures").glob("*.png"))
    assert_masked([np.asarray(cv2.imread(str(file)), np.uint8) for file in files], faces)


@pytest.mark.slow
def test_own_detector(tmp_path: Path) -> None:
    scene = [np.full((240, 320, 3), 90, np.uint8) for _ in range(FRAMES)]
    for index, picture in enumerate(scene):
        picture[100:140, 40 + 6 * index : 80 + 6 * index] = (20, 20, 230)
    done = run("own_detector.py", write_clip(tmp_path / "in.mp4", scene), tmp_path / "out.mp4")
    assert (done.returncode, done.stdout) == (0, f"{FRAMES} frames, 1 things followed\n"), done.stderr
    for index, picture in enumerate(pictures(tmp_path / "out.mp4")):
        left, top, right, bottom = 40 + 6 * index, 100, 80 + 6 * index, 140
        # The edge of the thing is gone: what is left are a few averages that reach beyond it.
        inner, outer = picture[top + 2 : bottom - 2, left - 3], picture[top + 2 : bottom - 2, left + 3]
        assert np.abs(inner.astype(int) - outer).mean() < 40, f"picture {index}"
        assert picture[(top + bottom) // 2, (left + right) // 2, 2] < 225


@pytest.fixture
def stream(film: Path) -> Iterator[str]:
    """A masked stream: the film plays the camera, over and over."""
    port = free_port()
    command = [sys.executable, "-m", "streamer.cli.entry", "live", str(film), "--loop", "--rtsp", f"{port}/door"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as live:
        try:
            yield f"rtsp://127.0.0.1:{port}/door"
        finally:
            live.terminate()
            live.wait(30)


@pytest.mark.slow
def test_watch_rtsp(stream: str, tmp_path: Path) -> None:
    """It is started at once, before anything listens: it has to try again."""
    done = run("watch_rtsp.py", stream, tmp_path / "last.png", 8)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert int(words[0]) > 20 and words[1:4] == ["pictures", "of", "480x360"]
    assert cv2.imread(str(tmp_path / "last.png")).shape == (360, 480, 3)


def test_cameras_yaml() -> None:
    settings = load(str(EXAMPLES / "cameras.yaml"), LiveSettings)
    assert [stream.name for stream in settings.live.streams] == ["door", "yard"]
    door, yard = (settings.engine(stream) for stream in settings.live.streams)
    assert (door.mask.style, yard.mask.style, len(yard.zones)) == ("blur", "solid", 1)


def test_serve_yaml() -> None:
    settings = load(str(EXAMPLES / "serve.yaml"), ServeSettings)
    assert [stream.name for stream in settings.live.streams] == ["door", "yard"]
    assert settings.service.checkpoints is not None and settings.of_files.mask.cover == "head"


@pytest.mark.slow
def test_mask_over_http(film: Path, faces: Clip, tmp_path: Path) -> None:
    token = "a token of 16 characters or more"
    with running_service(tmp_path / "data", token=token) as client:
        server = {**os.environ, "VEILCAST_URL": str(client.base_url)}
        done = run("mask_over_http.py", film, tmp_path / "out.mp4", environment={**server, "VEILCAST_TOKEN": token})
        refused = run("mask_over_http.py", film, tmp_path / "no.mp4", environment={**server, "VEILCAST_TOKEN": "no"})
        assert client.get("/v1/jobs").json()["jobs"] == []
    assert done.returncode == 0 and done.stdout.startswith(f"{tmp_path / 'out.mp4'}: "), done.stderr
    assert_masked(pictures(tmp_path / "out.mp4"), faces)
    assert refused.returncode == 2 and refused.stderr.startswith("the server refuses: ")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.mp4"]


def test_mask_over_http_says_in_one_line_what_is_wrong(film: Path, tmp_path: Path) -> None:
    nobody = {**os.environ, "VEILCAST_URL": f"http://127.0.0.1:{free_port()}"}
    for source, said in ((film, "refused"), (tmp_path / "gone.mp4", "gone.mp4")):
        done = run("mask_over_http.py", source, tmp_path / "out.mp4", environment=nobody)
        assert done.returncode == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_each_example_is_tested() -> None:
    tested = Path(__file__).read_text("utf-8")
    names = [path.name for path in EXAMPLES.iterdir() if path.is_file()]
    assert len(names) >= 5 and all(f'"{name}"' in tested for name in names)
