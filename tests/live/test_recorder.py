from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.live.encoder import LiveEncoder, LiveEncoderConfig
from streamer.live.output import StreamOutput
from streamer.live.packet import CLOCK, VideoPacket
from streamer.live.recorder import FILE_NAME, RecordConfig, Recorder, folder_name
from streamer.live.segment import ContainerName
from streamer.live.status import Snapshot
from tests.live.producing import Producer, masked, number_of

WAIT = 30.0
RATE = 25
CONTAINERS: list[ContainerName] = ["mp4", "mkv"]


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def encoded(
    count: int, first: int = 0, size: tuple[int, int] = (320, 240), key: int = 25, captured: float = 1.8e9
) -> list[VideoPacket]:
    """Packets of numbered pictures, a key frame every `key` of them; the clock does not move."""
    encoder = LiveEncoder(*size, Fraction(RATE), LiveEncoderConfig(preset="ultrafast"))
    return [
        packet
        for n in range(first, first + count)
        for packet in encoder.encode(masked(n, *size), n * CLOCK // RATE, captured, key=(n - first) % key == 0)
    ]


def output(name: str = "door") -> StreamOutput:
    return StreamOutput(name, lambda: Snapshot(name))


def record(folder: Path, packets: list[VideoPacket], config: RecordConfig, name: str = "door") -> list[Path]:
    """The files, in the order in which they were written, of packets that are there all at once."""
    stream = output(name)
    recorder = Recorder(stream, folder, config)
    recorder.start()
    for packet in packets:
        stream.publish(packet)
        until(lambda: recorder._subscription is None or len(recorder._subscription) < 100)
    assert recorder.close(WAIT)
    assert recorder.trouble is None and recorder.drops == 0
    return sorted(recorder.folder.iterdir(), key=lambda path: (len(path.name), path.name))


def pictures(path: Path) -> list[tuple[int, float]]:
    """Number and time of every picture."""
    with av.open(path) as container:
        return [
            (number_of(frame.to_ndarray(format="bgr24").astype(np.uint8)), float(frame.time or 0.0))
            for frame in container.decode(video=0)
        ]


def probe(path: Path) -> dict[str, str]:
    """What ffprobe says, all of it as text."""
    if shutil.which("ffprobe") is None:
        pytest.skip("needs ffprobe (Debian: ffmpeg)")
    entries = "format=duration,start_time:format_tags:stream=codec_name,width,height,avg_frame_rate"
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=True)
    assert done.stderr == ""
    read = json.loads(done.stdout)
    merged = {**read["streams"][0], **read["format"], **read["format"].get("tags", {})}
    return {key: str(value) for key, value in merged.items()}


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_picture_is_in_one_segment(tmp_path: Path, container: ContainerName) -> None:
    files = record(tmp_path, encoded(110), RecordConfig(container=container, segment_seconds=1.5))
    numbers = [pictures(path) for path in files]
    assert [[number for number, _ in each] for each in numbers] == [
        list(range(50)),
        list(range(50, 100)),
        list(range(100, 110)),
    ]
    for each in numbers:
        assert each[0][1] == 0.0
        assert [seconds for _, seconds in each] == pytest.approx([n / RATE for n in range(len(each))], abs=0.0006)
    assert all(FILE_NAME.fullmatch(path.name) and path.parent == tmp_path / "door" for path in files)


@pytest.mark.parametrize("container", CONTAINERS)
def test_other_players_agree_and_nothing_else_is_told(tmp_path: Path, container: ContainerName) -> None:
    (path,) = record(tmp_path, encoded(60), RecordConfig(container=container))
    read = probe(path)
    assert float(read["duration"]) == pytest.approx(60 / RATE, abs=0.01) and float(read["start_time"]) == 0.0
    assert (read["codec_name"], read["width"], read["height"]) == ("h264", "320", "240")
    assert read["avg_frame_rate"] == "25/1"
    assert read["creation_time"].startswith("2027-01-15T08:00:00")
    asked = {"codec_name", "width", "height", "avg_frame_rate", "duration", "start_time"}
    brands = {"major_brand", "minor_version", "compatible_brands"}
    # "Lavf" without a version is as little as Matroska allows.
    assert (
        read.keys() - asked - brands <= {"creation_time", "encoder", "tags"} and read.get("encoder", "Lavf") == "Lavf"
    )


def test_a_segment_ends_by_size(tmp_path: Path) -> None:
    packets = encoded(100)
    limit = sum(len(packet.data) for packet in packets[:30]) / 1e6
    files = record(tmp_path, packets, RecordConfig(segment_seconds=0, segment_mb=limit))
    assert [len(pictures(path)) for path in files] == [50, 50]


def test_no_limit_means_one_file(tmp_path: Path) -> None:
    assert len(record(tmp_path, encoded(60), RecordConfig(segment_seconds=0))) == 1


def test_another_picture_size_is_another_segment(tmp_path: Path) -> None:
    packets = encoded(30) + encoded(30, 30, (640, 480))
    files = record(tmp_path, packets, RecordConfig())
    assert [len(pictures(path)) for path in files] == [30, 30]
    assert [probe(path)["width"] for path in files] == ["320", "640"]


def test_a_gap_stays_a_gap(tmp_path: Path) -> None:
    (path,) = record(tmp_path, encoded(25) + encoded(25, 100), RecordConfig())
    times = [seconds for _, seconds in pictures(path)]
    assert len(times) == 50 and times[24:26] == pytest.approx([24 / RATE, 100 / RATE])


def test_the_clock_goes_back(tmp_path: Path) -> None:
    config = RecordConfig(segment_seconds=1)
    record(tmp_path, encoded(50, captured=1.8e9), config)
    files = record(tmp_path, encoded(50, captured=1.8e9), config)
    names = ["2027-01-15T08-00-00Z.mp4", *(f"2027-01-15T08-00-00Z-{n}.mp4" for n in (1, 2, 3))]
    assert sorted(path.name for path in files) == sorted(names)
    assert all(len(pictures(path)) == 25 for path in files)


def test_a_key_frame_is_asked_for_when_the_time_is_over(tmp_path: Path) -> None:
    stream = output()
    recorder = Recorder(stream, tmp_path, RecordConfig(segment_seconds=1))
    recorder.start()
    assert stream.take_key_request()
    packets = encoded(40, key=1000)
    for packet in packets[:25]:
        stream.publish(packet)
    until(lambda: recorder.writing)
    stream._last_key = float("-inf")
    assert not stream.take_key_request()
    for packet in packets[25:]:
        stream.publish(packet)
    until(stream.take_key_request)
    assert recorder.close(WAIT)


@pytest.mark.parametrize(
    ("stream", "folder"),
    [
        ("door", "door"),
        ("..", "%2E%2E"),
        ("../../etc", "%2E%2E%2F..%2Fetc"),
        ("/etc", "%2Fetc"),
        ("a\0b", "a%00b"),
        (".hidden", "%2Ehidden"),
        ("front/door", "front%2Fdoor"),
        ("Tür", "T%C3%BCr"),
        ("a%2Fb", "a%252Fb"),
    ],
)
def test_no_name_leaves_the_folder(tmp_path: Path, stream: str, folder: str) -> None:
    assert folder_name(stream) == folder
    assert (tmp_path / folder).resolve().parent == tmp_path.resolve()
    (path,) = record(tmp_path, encoded(5), RecordConfig(), stream)
    assert path.parent == tmp_path / folder


@pytest.mark.parametrize("stream", ["", "x" * 300])
def test_a_name_that_no_folder_can_have(tmp_path: Path, stream: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Recorder(output(stream), tmp_path, RecordConfig())


@pytest.mark.parametrize(
    ("limits", "left"), [({"keep_hours": 1.0}, {"new"}), ({"keep_mb": 0.0001}, set()), ({}, {"new", "old"})]
)
def test_old_files_go_and_foreign_ones_stay(tmp_path: Path, limits: dict[str, float], left: set[str]) -> None:
    folder = tmp_path / "door"
    folder.mkdir()
    mine = {"old": folder / "2020-01-01T00-00-00Z.mp4", "new": folder / "2020-01-02T00-00-00Z-2.mkv"}
    foreign = [folder / "holiday.mp4", folder / "2020-01-01T00-00-00Z.mp4.bak", tmp_path / "2020-01-01T00-00-00Z.mp4"]
    for path in [*mine.values(), *foreign]:
        path.write_bytes(bytes(1000))
    elsewhere = tmp_path / "precious"
    elsewhere.write_bytes(bytes(1000))
    (folder / "2020-01-03T00-00-00Z.mp4").symlink_to(elsewhere)
    (folder / "2020-01-04T00-00-00Z.mp4").mkdir()
    for path in [mine["old"], *foreign]:
        os.utime(path, (1e9, 1e9))
    written = record(tmp_path, encoded(30), RecordConfig.model_validate(limits))
    assert {name for name, path in mine.items() if path.exists()} == left
    assert all(path.exists() for path in [*foreign, elsewhere, folder / "2020-01-03T00-00-00Z.mp4"])
    # Neither does the one that is being written.
    assert any(path.name.startswith("2027") for path in written)


KILLED = """
import os, sys, time
from pathlib import Path
from streamer.live.recorder import RecordConfig, Recorder
from tests.live.producing import Producer
with Producer(width=160, height=96, period=400, rate=50) as producer:
    recorder = Recorder(producer.output, Path(sys.argv[1]), RecordConfig(container=sys.argv[2], fragment_seconds=0.5))
    recorder.start()
    while producer.published < 180:
        time.sleep(0.01)
    print(producer.published, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("container", CONTAINERS)
def test_playable_after_kill_9(tmp_path: Path, container: str) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), container]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        published = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    (path,) = (tmp_path / "door").iterdir()
    numbers = [number for number, _ in pictures(path)]
    # Half a second of fragment at 50 frames a second, and what was still queued on a busy machine.
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert published - 60 <= len(numbers) <= published + 60
    assert probe(path)["codec_name"] == "h264"
    decode = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "null", "-"]
    assert subprocess.run(decode, capture_output=True, text=True, timeout=WAIT, check=True).stderr == ""


FULL = """
import json, resource, sys, time
from pathlib import Path
from streamer.live.fanout import ClosedError
from streamer.live.recorder import RecordConfig, Recorder
from tests.live.producing import Producer

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


def test_a_full_disk_harms_nobody_else_and_is_left_behind(tmp_path: Path) -> None:
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


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "door").write_text("in the way")
    with Producer() as producer:
        recorder = Recorder(producer.output, tmp_path, RecordConfig(fragment_seconds=0.4))
        recorder.start()
        until(lambda: recorder.trouble)
        (tmp_path / "door").unlink()
        until(lambda: recorder.trouble is None and recorder.writing)
        assert recorder.close(WAIT)
    assert (tmp_path / "door").is_dir()


def test_a_slow_disk_costs_the_recorder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_close_writes_what_was_published_before(tmp_path: Path) -> None:
    stream = output()
    recorder = Recorder(stream, tmp_path, RecordConfig())
    recorder.start()
    for packet in encoded(200):
        stream.publish(packet)
    assert recorder.close(WAIT) and recorder.close(WAIT)
    (path,) = recorder.folder.iterdir()
    assert len(pictures(path)) == 200


def test_never_started_and_a_stream_that_ends_first(tmp_path: Path) -> None:
    assert Recorder(output(), tmp_path, RecordConfig()).close()
    stream = output()
    recorder = Recorder(stream, tmp_path, RecordConfig())
    recorder.start()
    stream.publish(encoded(1)[0])
    stream.close()
    until(lambda: not recorder._thread.alive)
    assert recorder.close() and recorder.trouble is None
    (path,) = recorder.folder.iterdir()
    assert len(pictures(path)) == 1
