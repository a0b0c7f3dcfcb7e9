"""`veilcast live --record --audio`: cameras and files with audio, through the program as users run it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from streamer.live.audio import LiveAudio
from streamer.live.camera.camera import Camera
from streamer.live.camera.connection import LiveSource
from streamer.live.camera.source_url import open_options, parse_source
from streamer.settings.source import SourceConfig
from tests.rigs.camera.audio_clip import (
    PITCH,
    AudioCodec,
    apart,
    audio_packets,
    beeping_clip,
    has_audio,
    pitch,
)
from tests.rigs.camera.rtsp_camera import RtspCamera

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "streamer.cli.main", "live")
IN_SYNC = 0.06  # seconds
SETTLED = 1.5  # seconds at the start of a recording in which a slow machine may leave out pictures
QUICK = SourceConfig(open_timeout=5, read_timeout=1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[AudioCodec | None, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "aac": beeping_clip(folder / "aac.mp4", "aac"),
        "pcm_alaw": beeping_clip(folder / "alaw.mov", "pcm_alaw"),
        None: beeping_clip(folder / "silent.mp4", None),
    }


def recorded(source: str, folder: Path, *options: str, container: str = "mp4") -> tuple[Path, str]:
    """The longest file that the program recorded, and what it said."""
    config = folder / "live.yaml"
    # Each flash starts a scene. Looking closely at all of them is too much for a busy machine, and not the point here.
    config.write_text(
        f"live: {{recording: {{container: {container}}}}}\ndetect: {{second: {{detector: none}}, turned_interval: 0}}"
    )
    arguments = [source, "--record", str(folder / "out"), "--config", str(config), *options]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=90, check=True)
    return max((folder / "out").rglob(f"*.{container}"), key=lambda path: path.stat().st_size), done.stderr


def in_sync(path: Path) -> bool:
    late = apart(path, after=SETTLED)
    assert len(late) >= 3
    return max(map(abs, late)) < IN_SYNC


@pytest.mark.parametrize(
    ("codec", "policy", "container"),
    [("aac", "keep", "mp4"), ("pcm_alaw", "keep", "mkv"), ("pcm_alaw", "disguise", "mp4")],
)
def test_a_cameras_audio_is_recorded_in_sync(
    clips: dict[AudioCodec | None, Path], tmp_path: Path, codec: AudioCodec, policy: str, container: str
) -> None:
    with RtspCamera(clips[codec], audio=True) as camera:
        path, _ = recorded(camera.url, tmp_path, "--audio", policy, "--duration", "10", container=container)
    assert in_sync(path)
    if codec == "aac":
        kept, sent = b"".join(audio_packets(path)), b"".join(audio_packets(clips["aac"]))
        assert len(kept) > 3000 and kept in sent * 3
    assert pitch(path) == pytest.approx(PITCH if policy == "keep" else 0.75 * PITCH, rel=0.02)


@pytest.mark.parametrize("policy", ["keep", "disguise"])
def test_a_files_audio_is_recorded_in_sync(clips: dict[AudioCodec | None, Path], tmp_path: Path, policy: str) -> None:
    path, _ = recorded(str(clips["aac"]), tmp_path, "--audio", policy)
    assert in_sync(path)
    if policy == "keep":
        kept = b"".join(audio_packets(path))
        assert kept and kept in b"".join(audio_packets(clips["aac"]))


@pytest.mark.parametrize(("codec", "options"), [("aac", []), (None, ["--audio", "keep"])])
def test_recordings_have_no_audio_unless_it_is_requested_and_exists(
    clips: dict[AudioCodec | None, Path], tmp_path: Path, codec: AudioCodec | None, options: list[str]
) -> None:
    path, said = recorded(str(clips[codec]), tmp_path, *options)
    assert not has_audio(path) and "audio" not in said


def test_a_camera_is_not_asked_for_audio_that_nobody_wants(clips: dict[AudioCodec | None, Path]) -> None:
    source = parse_source("rtsp://cam/1")
    assert open_options(source, QUICK).options["allowed_media_types"] == "video"
    with RtspCamera(clips["aac"], audio=True) as server:
        heard: dict[bool, list[LiveAudio]] = {}
        for audio in (True, False):
            camera = Camera("door", server.url, QUICK, audio)
            camera.start()
            deadline = time.monotonic() + 20
            while camera.status.pictures < 40 and time.monotonic() < deadline:
                time.sleep(0.05)
            heard[audio] = camera.take_audio()
            assert camera.status.pictures >= 40 and camera.close()
    assert len(heard[True]) > 10 and heard[False] == []
    assert {audio.format.codec for audio in heard[True]} == {"aac"}


def test_audio_that_is_not_consumed_is_bounded_and_counted() -> None:
    camera = Camera("door", "rtsp://cam/1", QUICK, True)
    for n in range(600):
        camera._queue_audio(LiveAudio(b"", n, 0, 1, None))  # type: ignore[arg-type]
    assert camera.audio_dropped == 100
    assert [audio.source_time for audio in camera.take_audio()] == list(range(100, 600)) and camera.take_audio() == []


def test_pictures_are_the_same_with_and_without_audio(clips: dict[AudioCodec | None, Path]) -> None:
    source = parse_source(str(clips["aac"]))
    packets: list[LiveAudio] = []
    with LiveSource(source, QUICK, threading.Event(), 1, packets.append) as with_audio:
        seen = [(p.source_time, p.trusted) for p in with_audio]
    with LiveSource(source, QUICK, threading.Event()) as without:
        assert [(p.source_time, p.trusted) for p in without] == seen
    assert [s.data for s in packets if s.source_time >= 0] == audio_packets(clips["aac"])
