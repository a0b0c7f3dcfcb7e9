from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.live.recording.recorder import Recorder
from streamer.settings.recording import RecordConfig
from tests.rigs.live.producing import Producer
from tests.rigs.live.recording import WAIT, encoded, output, pictures, until

pytestmark = pytest.mark.slow

FULL = """
import json, resource, sys, time
from pathlib import Path
from streamer.live.fanout import ClosedError
from streamer.settings.recording import RecordConfig
from streamer.live.recording.recorder import Recorder
from tests.rigs.live.producing import Producer

def until(true):
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)

with Producer(period=100) as producer:
    other = producer.output.packets.subscribe("other", 5000)
    recorder = Recorder(producer.output, Path(sys.argv[1]), RecordConfig(fragment_seconds=0.4, keep_mb=50))
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
    recorder.start()
    until(lambda: recorder.trouble)
    trouble = recorder.trouble
    until(lambda: recorder.drops > 20)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: recorder.trouble is None)
    time.sleep(1)
    assert recorder.close()
    pts = []
    while (packet := other.get_nowait()) is not None:
        pts.append(packet.pts)
print(json.dumps({"trouble": trouble, "pts": pts, "other": other.dropped, "drops": recorder.drops}))
"""


def test_a_full_disk_harms_nothing_else_and_recording_recovers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "File too large" in told["trouble"] and told["drops"] > 20 and told["other"] == 0
    assert {later - earlier for earlier, later in zip(told["pts"], told["pts"][1:], strict=False)} == {3600}
    files = sorted((tmp_path / "door").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert len(files) >= 2
    # Whole fragments only, also in the file that the disk was too small for.
    assert all(path.stat().st_size <= 60_000 for path in files[:-1])
    decoded = [pictures(path) for path in files]
    assert all(each and each[0][1] == 0.0 for each in decoded)
    assert len(decoded[-1]) > 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root and the right to mount a tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_no_space_left(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200_000))
    with Producer() as producer:
        recorder = Recorder(producer.output, small_disk, RecordConfig(fragment_seconds=0.4))
        recorder.start()
        until(lambda: recorder.trouble)
        assert "No space left" in (recorder.trouble or "")
        ballast.unlink()
        until(lambda: recorder.trouble is None)
        assert recorder.close(WAIT)
    assert all(pictures(path) for path in recorder.folder.iterdir())


def test_a_folder_that_is_deleted_is_made_again(tmp_path: Path) -> None:
    with Producer() as producer:
        recorder = Recorder(producer.output, tmp_path, RecordConfig(fragment_seconds=0.4))
        recorder.start()
        until(lambda: recorder.writing and recorder.writing.stat().st_size > 10_000)
        shutil.rmtree(tmp_path / "door")
        until(lambda: recorder.trouble)
        until(lambda: recorder.trouble is None)
        assert recorder.close(WAIT)
    assert [len(pictures(path)) > 5 for path in (tmp_path / "door").iterdir()] == [True]


@pytest.mark.parametrize("there", [True, False], ids=["a folder", "nothing"])
def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path, there: bool) -> None:
    elsewhere, recordings = tmp_path / "elsewhere", tmp_path / "recordings"
    recordings.mkdir()
    old = elsewhere / "2020-01-01T00-00-00Z.mp4"
    if there:
        elsewhere.mkdir()
        old.write_bytes(bytes(1000))
    (recordings / "door").symlink_to(elsewhere)
    with Producer() as producer:
        recorder = Recorder(producer.output, recordings, RecordConfig(fragment_seconds=0.4, keep_mb=0.0001))
        recorder.start()
        until(lambda: recorder.trouble)
        assert "symbolic link" in (recorder.trouble or "") and str(recorder.folder) in (recorder.trouble or "")
        assert (list(elsewhere.iterdir()) if there else elsewhere.exists()) == ([old] if there else False)
        (recordings / "door").unlink()
        until(lambda: recorder.trouble is None)
        assert recorder.close(WAIT)
    assert [len(pictures(path)) > 5 for path in (recordings / "door").iterdir()] == [True]


def test_nothing_is_deleted_behind_a_folder_that_becomes_a_link(tmp_path: Path) -> None:
    elsewhere, recordings = tmp_path / "elsewhere", tmp_path / "recordings"
    elsewhere.mkdir()
    old = elsewhere / "2020-01-01T00-00-00Z.mp4"
    old.write_bytes(bytes(1000))
    with Producer() as producer:
        recorder = Recorder(
            producer.output, recordings, RecordConfig(fragment_seconds=0.4, keep_hours=1, segment_seconds=1.0)
        )
        recorder.start()
        until(lambda: recorder.writing and recorder.writing.stat().st_size > 10_000)
        (recordings / "door").rename(recordings / "before")
        (recordings / "door").symlink_to(elsewhere)
        until(lambda: "symbolic link" in (recorder.trouble or ""))
        assert recorder.close(WAIT)
    assert list(elsewhere.iterdir()) == [old]
    assert [len(pictures(path)) > 5 for path in (recordings / "before").iterdir()] == [True]


def test_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "door").write_text("in the way")
    with Producer() as producer:
        recorder = Recorder(producer.output, tmp_path, RecordConfig(fragment_seconds=0.4))
        recorder.start()
        until(lambda: recorder.trouble)
        (tmp_path / "door").unlink()
        until(lambda: recorder.trouble is None and recorder.writing)
        assert recorder.close(WAIT)
    assert (tmp_path / "door").is_dir()


def test_a_slow_disk_only_slows_the_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite

    def slow(fd: int, data: bytes, at: int) -> int:
        time.sleep(0.2)
        return write(fd, data, at)

    monkeypatch.setattr(os, "pwrite", slow)
    packets = encoded(1000, key=5)
    stream = output()
    other = stream.packets.subscribe("other", 2000)
    recorder = Recorder(stream, tmp_path, RecordConfig(fragment_seconds=0.2))
    recorder.start()
    stream.publish(packets[0])
    until(lambda: recorder.writing)
    begun = time.monotonic()
    for packet in packets[1:]:
        stream.publish(packet)
    assert time.monotonic() - begun < 2.0
    assert recorder.drops > 0 and len(other) == 1000
    monkeypatch.setattr(os, "pwrite", write)
    assert recorder.close(WAIT)
    (path,) = recorder.folder.iterdir()
    # Pictures after the gap are whole: recording went on at a key frame.
    numbers = [number for number, _ in pictures(path)]
    assert numbers == sorted(numbers) and len(numbers) == 1000 - recorder.drops
    assert numbers[-1] == 999
