"""A file job opens no socket: seen by Python, and shown by a machine without any network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.containers import needs_ffmpeg, plain
from tests.faces import panned
from tests.faces import write as write_clip

# Every way to the network passes one of these events, whatever library goes it through Python. What native code opens
# shows in the process's own table of open files, looked at from the first to the last frame.
WATCH = """
import os, sys

def watch(event, arguments):
    if event.startswith(("socket.", "http.", "urllib.", "ftplib.", "smtplib.")):
        sys.exit(f"network: {event} {arguments}")

sys.addaudithook(watch)

from streamer import Settings, anonymize_file

def look(progress):
    for entry in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")
        except FileNotFoundError:  # the list's own handle
            continue
        if target.startswith("socket:"):
            os._exit(7)

settings = Settings.model_validate({"detect": {"detector": sys.argv[2]}})
report = anonymize_file(sys.argv[1], settings=settings, overwrite=True, on_progress=look)
assert report.frames and not report.failed_samples, report
look(None)
sys.stdout.write("nothing was opened")
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("offline") / "in.mp4", panned().pictures[:12])


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")


@needs_proc
@pytest.mark.parametrize("detector", ["yunet", "mediapipe"])
def test_a_file_job_opens_no_socket(detector: str, clip: Path) -> None:
    done = run(sys.executable, "-c", WATCH, str(clip), detector)
    assert (done.returncode, done.stdout) == (0, "nothing was opened"), done.stderr


@needs_proc
@pytest.mark.parametrize(
    ("code", "returncode"),
    [
        ("import socket; socket.socket()", 1),
        ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')", 1),
        ("import ctypes; ctypes.CDLL(None).socket(2, 1, 0); look(None)", 7),
    ],
    ids=["socket", "urllib", "native code"],
)
def test_the_watch_would_see_one(code: str, returncode: int) -> None:
    before, after = WATCH.split("settings = ", 1)[0], "sys.stdout.write('nothing was seen')"
    done = run(sys.executable, "-c", f"{before}\n{code}\n{after}")
    assert done.returncode == returncode and done.stdout == ""
    assert returncode == 7 or done.stderr.startswith("network: ")


@needs_ffmpeg
def test_a_file_job_needs_no_network(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or run(unshare, "-rn", "true").returncode:
        pytest.skip("this machine lets nobody take the network away (unshare -rn)")
    source = plain(tmp_path / "in.mp4")
    done = run(unshare, "-rn", sys.executable, "-m", "streamer.cli", "file", str(source))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "in.masked.mp4").is_file()
