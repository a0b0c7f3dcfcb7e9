from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.live.recording.recorder import FILE_NAME, Recorder, folder_name
from streamer.settings.recording import ContainerName, RecordConfig
from tests.rigs.live.recording import (
    CONTAINERS,
    RATE,
    WAIT,
    encoded,
    killed_while_recording,
    output,
    pictures,
    probe,
    record,
    until,
)


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
def test_ffprobe_agrees_and_the_file_has_no_other_metadata(tmp_path: Path, container: ContainerName) -> None:
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


def test_a_key_frame_is_requested_when_a_segment_is_due(tmp_path: Path) -> None:
    stream = output()
    packets = encoded(40, key=1000)
    recorder = Recorder(stream, tmp_path, RecordConfig(segment_seconds=1))
    recorder.start()
    assert stream.take_key_request()
    for packet in packets[:25]:
        stream.publish(packet)
    until(lambda: recorder.writing)
    stream._last_key = float("-inf")
    stream.take_key_request()  # it may have asked again before the first packet came
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
def test_a_name_that_cannot_be_a_folder(tmp_path: Path, stream: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Recorder(output(stream), tmp_path, RecordConfig())


@pytest.mark.parametrize(
    ("limits", "left"), [({"keep_hours": 1.0}, {"new"}), ({"keep_mb": 0.0001}, set()), ({}, {"new", "old"})]
)
def test_old_files_are_deleted_and_foreign_ones_stay(tmp_path: Path, limits: dict[str, float], left: set[str]) -> None:
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
import sys, time
from pathlib import Path
from streamer.settings.recording import RecordConfig
from streamer.live.recording.recorder import Recorder
from tests.rigs.live.recording import encoded, output
stream, packets = output(), encoded(180, key=1000)
recorder = Recorder(stream, Path(sys.argv[1]), RecordConfig(container=sys.argv[2], fragment_seconds=0.5))
recorder.start()
for packet in packets:
    stream.publish(packet)
    time.sleep(0.005)
while len(recorder._subscription):
    time.sleep(0.01)
time.sleep(0.2)
print("written", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("container", CONTAINERS)
def test_playable_after_kill_9(tmp_path: Path, container: str) -> None:
    path = killed_while_recording(KILLED, tmp_path, container)
    assert probe(path)["codec_name"] == "h264"


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
