"""Recordings cut and joined: every picture once, the sound untouched, the same bytes for any number of workers."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.pictures.orientation import UPRIGHT
from streamer import OutputError, anonymize_file
from streamer.errors import InterruptedJobError
from streamer.file.source import FileSource
from streamer.units.job import anonymize_recording
from streamer.units.plan import plan_file
from tests.rigs.camera.audio_clip import audio_packets
from tests.rigs.containers import ffmpeg, needs_ffmpeg, video_times
from tests.rigs.faces import read_grey
from tests.rigs.recordings import H264, HEVC, QUICK, recording

pytestmark = [needs_ffmpeg, pytest.mark.slow]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


FILES = {
    "mp4": ("in.mp4", (*H264, "-bf", "3"), {"sounds": 2}),
    "open GOP": ("in.mov", (*H264, "-bf", "3", "-x264-params", "open-gop=1:keyint=20:min-keyint=20"), {}),
    "hevc": ("in.mp4", (*HEVC, "-x265-params", "log-level=none:keyint=20:min-keyint=20:open-gop=1:bframes=3"), {}),
    "mkv with a varying rate": ("in.mkv", (*H264, "-vf", "select='mod(n\\,7)'", "-fps_mode", "vfr"), {}),
    "ts": ("in.ts", (*H264, "-bf", "2", "-c:a", "aac"), {}),
    "vp9": ("in.mkv", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"), {}),
    "late start": ("in.mp4", (*H264, "-output_ts_offset", "3.5"), {}),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_picture_once_and_the_sound_untouched(kind: str, tmp_path: Path) -> None:
    name, options, more = FILES[kind]
    source = recording(tmp_path / name, *options, **more)  # type: ignore[arg-type]
    assert len(plan_file(source, QUICK).units) == 2
    target = tmp_path / f"out{source.suffix}"
    report = anonymize_recording(source, target, QUICK)
    assert report.units == 2 and report.warnings == [] and report.damaged == 0
    assert video_times(target) == video_times(source)
    assert audio_packets(target) == audio_packets(source)
    before, after = read_grey(source), read_grey(target)
    assert report.frames == len(before) == len(after)
    apart = [float(np.abs(a.astype(int) - b).mean()) for a, b in zip(before, after, strict=True)]
    assert max(apart) < 6, "the pictures are those of their times"
    assert report.looked_at is not None and report.frames < report.looked_at < 1.1 * report.frames
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])


def test_rotation_edit_lists_and_cut_beginnings(tmp_path: Path) -> None:
    whole = recording(tmp_path / "whole.mp4", *H264, "-bf", "3", seconds=140, sounds=0)
    source = tmp_path / "in.mp4"
    # Begins in the middle of a GOP: an edit list hides the pictures before.
    ffmpeg("-ss", "5.5", "-i", whole, "-c", "copy", "-metadata:s:v", "rotate=90", source)
    cut, once = tmp_path / "cut.mp4", tmp_path / "once.mp4"
    report = anonymize_recording(source, cut, QUICK)
    anonymize_file(source, once, QUICK)
    assert report.units == 2
    assert video_times(cut) == video_times(once)
    one, two = read_grey(once), read_grey(cut)
    with FileSource(source) as before, FileSource(cut) as after:
        assert before.info.orientation == after.info.orientation != UPRIGHT
    assert len(one) == len(two) == report.frames


def test_any_number_of_workers_makes_the_same_copy(tmp_path: Path) -> None:
    source = recording(tmp_path / "in.mp4", *H264, seconds=190)
    made = [anonymize_recording(source, tmp_path / f"{n}.mp4", QUICK, workers=n) for n in (1, 3)]
    assert made[0].output.sha256 == made[1].output.sha256 == sha256(tmp_path / "3.mp4")
    assert made[0].units == 3
    assert made[0].model_dump(exclude={"output", "elapsed"}) == made[1].model_dump(exclude={"output", "elapsed"})


def test_short_recordings_are_masked_in_one_go(tmp_path: Path) -> None:
    source = recording(tmp_path / "in.mp4", *H264, seconds=20)
    warnings: list[str] = []
    report = anonymize_recording(source, tmp_path / "a.mp4", QUICK, workers=2, on_warning=warnings.append)
    anonymize_file(source, tmp_path / "b.mp4", QUICK)
    assert report.units == 1 and report.looked_at is None
    assert warnings == ["masked in one go, not in parts: it is short"]
    assert sha256(tmp_path / "a.mp4") == sha256(tmp_path / "b.mp4")


RUN = """
import sys
from pathlib import Path
from streamer.units.job import anonymize_recording
from tests.rigs.recordings import QUICK
if __name__ == "__main__":
    print("ready", flush=True)
    anonymize_recording(Path(sys.argv[1]), Path(sys.argv[2]), QUICK, workers=int(sys.argv[3]))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_was_killed_goes_on_from_its_finished_units(workers: int, tmp_path: Path) -> None:
    source, target = recording(tmp_path / "in.mp4", *H264, seconds=190), tmp_path / "out.mp4"
    script = tmp_path / "run.py"
    script.write_text(RUN)
    process = subprocess.Popen(
        [sys.executable, str(script), str(source), str(target), str(workers)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.DEVNULL,
    )
    folder, deadline = tmp_path / ".out.mp4.units", time.monotonic() + 90
    try:
        while not list(folder.glob("*.unit")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait(10)
    assert not target.exists()
    done = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.unit")}
    seen: list[int] = []
    again = threading.Event()

    def stop_at_once(frames: int) -> None:
        seen.append(frames)
        again.set()

    with pytest.raises(InterruptedJobError, match="the same command goes on"):
        anonymize_recording(source, target, QUICK, on_progress=lambda said: stop_at_once(said.frames), interrupt=again)
    kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.unit")}
    assert done.items() <= kept.items() and seen and seen[0] > 200, "what was finished was not made again"
    anonymize_recording(source, target, QUICK)
    undisturbed = anonymize_recording(source, tmp_path / "other.mp4", QUICK)
    assert sha256(target) == undisturbed.output.sha256
    assert not folder.exists()


def test_units_of_other_settings_or_damaged_ones_are_made_again(tmp_path: Path) -> None:
    source, target = recording(tmp_path / "in.mp4", *H264), tmp_path / "out.mp4"
    folder = tmp_path / ".out.mp4.units"
    stop = threading.Event()

    def second_unit(frames: int) -> None:
        if frames > 350:
            stop.set()

    with pytest.raises(InterruptedJobError):
        anonymize_recording(source, target, QUICK, on_progress=lambda said: second_unit(said.frames), interrupt=stop)
    [unit] = folder.glob("*.unit")
    content = bytearray(unit.read_bytes())
    content[1000] ^= 1
    unit.write_bytes(content)
    stop.clear()
    report = anonymize_recording(source, target, QUICK)
    assert report.output.sha256 == anonymize_recording(source, tmp_path / "2.mp4", QUICK).output.sha256
    target.unlink()
    with pytest.raises(InterruptedJobError):
        anonymize_recording(source, target, QUICK, on_progress=lambda said: second_unit(said.frames), interrupt=stop)
    encoded = {"file": QUICK.file.model_copy(update={"copy_untouched": False})}
    other = anonymize_recording(source, target, QUICK.model_copy(update=encoded))
    assert other.copied == 0 < report.copied == report.frames, "no unit of the other settings is in it"


def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    source, target = recording(tmp_path / "in.mp4", *H264), tmp_path / "out.mp4"
    refused: list[str] = []

    def other(frames: int) -> None:
        if not refused:
            with pytest.raises(OutputError) as error:
                anonymize_recording(source, target, QUICK)
            refused.append(str(error.value))

    anonymize_recording(source, target, QUICK, on_progress=lambda said: other(said.frames))
    assert refused and "is being made by another process" in refused[0]
    assert target.exists()


def test_a_worker_that_dies_is_tried_again(tmp_path: Path) -> None:
    source, target = recording(tmp_path / "in.mp4", *H264, seconds=190), tmp_path / "out.mp4"
    killed: list[int] = []

    def kill(frames: int) -> None:
        if not killed:
            children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
            for child in map(int, children):
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    killed.append(child)
                    os.kill(child, signal.SIGKILL)
                    return

    report = anonymize_recording(source, target, QUICK, workers=2, on_progress=lambda said: kill(said.frames))
    assert killed and report.units == 3
    assert report.output.sha256 == anonymize_recording(source, tmp_path / "2.mp4", QUICK).output.sha256
