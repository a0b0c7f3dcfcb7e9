"""Neither OpenCV nor NumPy's linear algebra keeps busy-waiting threads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from streamer import anonymize_file
from streamer.live.supervisor import LiveService
from streamer.settings.live import LiveSettings
from tests.rigs.faces import CLIPS, write

START = """
import os, sys
sys.argv = ["veilcast", "--version"]
from streamer.cli.entry import main
try:
    main()
except SystemExit:
    pass
print(len(os.listdir("/proc/self/task")))
"""


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    yield
    cv2.setNumThreads(before)


def test_a_file_job_leaves_opencv_one_thread(tmp_path: Path) -> None:
    anonymize_file(write(tmp_path / "in.mp4", CLIPS["panned"]().pictures[:3]), tmp_path / "out.mp4")
    assert cv2.getNumThreads() == 1


def test_a_service_leaves_opencv_one_thread() -> None:
    nobody = LiveSettings.model_validate({"live": {"streams": [{"name": "door", "source": "rtsp://127.0.0.1:9/x"}]}})
    with LiveService(nobody):
        assert cv2.getNumThreads() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_the_program_starts_without_threads_of_its_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split()[-1] == "1"
