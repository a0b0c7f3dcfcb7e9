"""A file job opens no socket: seen by Python, and shown by a machine without any network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rigs.containers import needs_ffmpeg, plain
from tests.rigs.faces import panned
from tests.rigs.faces import write as write_clip

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


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("detector", ["yunet", "mediapipe"])
def test_a_file_job_opens_no_socket(detector: str, clip: Path) -> None:
    done = run(sys.executable, "-c", WATCH, str(clip), detector)
    assert (done.returncode, done.stdout) == (0, "nothing was opened"), done.stderr


@pytest.mark.slow
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


# Whoever looks up names has a way out. These do so only when told to: Python's own module, which nothing calls (see
# above), FFmpeg for addresses that it is given, X11 for screen grabbing, OpenSSL for connections of others.
MAY_LOOK_UP_NAMES = {"_socket", "libc", "libcrypto", "libssl", "libavformat", "libxcb"}

LOADED = """
import sys
from streamer import Settings, anonymize_file

anonymize_file(sys.argv[1], settings=Settings.model_validate({"detect": {"detector": sys.argv[2]}}), overwrite=True)
with open("/proc/self/maps") as maps:
    sys.stdout.writelines(sorted({line.split(maxsplit=5)[5] for line in maps if ".so" in line}))
"""


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("detector", ["yunet", "mediapipe"])
def test_nothing_that_a_file_job_loads_could_report_home(detector: str, clip: Path) -> None:
    """A library that collects usage data may send them at any later time: no test would wait for that."""
    done = run(sys.executable, "-c", LOADED, str(clip), detector)
    loaded = [Path(line) for line in done.stdout.splitlines()]
    assert any("onnxruntime" in path.name or "mediapipe" in str(path) for path in loaded), done.stderr
    able = {path for path in loaded if b"getaddrinfo" in path.read_bytes()}
    assert "libavformat" in {_stem(path) for path in able}, "the search itself finds nothing"
    assert {path for path in able if _stem(path) not in MAY_LOOK_UP_NAMES} == set()


def _stem(path: Path) -> str:
    return path.name.split(".")[0].split("-")[0]


@pytest.mark.slow
def test_a_file_job_leaves_nothing_at_home(clip: Path, tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    shutil.copy(clip, folder / "in.mp4")
    places = {f"XDG_{kind}_HOME": str(home / kind) for kind in ("CACHE", "CONFIG", "DATA", "STATE")}
    done = subprocess.run(
        [sys.executable, "-m", "streamer.cli.main", "file", str(folder / "in.mp4")],
        env={**os.environ, **places, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(home.rglob("*"))
    assert {path.name for path in folder.iterdir()} == {"in.mp4", "in.masked.mp4"}


@pytest.mark.slow
@needs_ffmpeg
def test_a_file_job_needs_no_network(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or run(unshare, "-rn", "true").returncode:
        pytest.skip("this machine lets nobody take the network away (unshare -rn)")
    source = plain(tmp_path / "in.mp4")
    done = run(unshare, "-rn", sys.executable, "-m", "streamer.cli.main", "file", str(source))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "in.masked.mp4").is_file()
