"""What ends a run from outside, or nearly: signals, full disks, names that are no text, errors nobody thought of."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from streamer.atomic_file import Partial
from streamer.cli.main import main
from streamer.file import job as file_job
from streamer.runtime.signals import interrupts
from tests.rigs.containers import encoded, needs_ffmpeg, plain, x264
from tests.rigs.faces import carphone
from tests.rigs.faces import write as write_clip

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")
Capture = pytest.CaptureFixture[str]
PROGRAM = (sys.executable, "-m", "streamer.cli.entry")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return plain(tmp_path / "film.mp4")


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# The last net


@needs_ffmpeg
@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), MemoryError(), RecursionError("too deep")])
def test_an_error_that_nobody_thought_of_is_one_line(
    error: Exception, film: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(file_job, "Anonymizer", fail)
    assert main(["file", str(film)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said
    assert said.startswith(f"veilcast: this is a bug in veilcast ({type(error).__name__}")
    assert "VEILCAST_DEBUG=1" in said and names(tmp_path) == ["film.mp4"]
    monkeypatch.setenv("VEILCAST_DEBUG", "1")
    assert main(["file", str(film)]) == 1
    assert "Traceback" in capsys.readouterr().err


# Names


@pytest.mark.slow
@needs_ffmpeg
def test_a_name_that_is_no_text(film: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n\x1b[1m.mp4")
    film.rename(tmp_path / name)
    done = subprocess.run(
        [*PROGRAM, "file", name, "--report", os.fsdecode(b"\xff.json")],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"\n") == 1 and b"\x1b" not in done.stderr
    report = json.loads((tmp_path / os.fsdecode(b"\xff.json")).read_text("utf-8"))
    assert report["input"]["path"] == "caf\\xe9\n\x1b[1m.mp4"


@pytest.mark.slow
@needs_ffmpeg
def test_a_long_name_of_large_letters(film: Path, tmp_path: Path) -> None:
    target = tmp_path / ("\u5b57" * 80 + ".mp4")
    assert main(["file", str(film), str(target)]) == 0
    assert names(tmp_path) == sorted(["film.mp4", target.name])


# Signals


@pytest.mark.parametrize("after", [0.03, 0.06, 0.1, 0.2, 0.3, 0.45])
def test_ctrl_c_while_it_loads_is_one_line(after: float, tmp_path: Path) -> None:
    """From the moment that the program is running its own code."""
    ready = "import sys, streamer.cli.entry as e; sys.argv[0] = 'veilcast'; print(flush=True); sys.exit(e.main())"
    job = subprocess.Popen(
        [sys.executable, "-c", ready, "file", str(tmp_path / "in.mp4")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stdout is not None
    job.stdout.readline()
    time.sleep(after)
    job.send_signal(signal.SIGINT)
    _, said = job.communicate(timeout=30)
    assert job.returncode in (130, 2), said  # 2: it was faster, and said that there is no such file
    assert said.count("\n") == 1 and said.startswith("veilcast: ") and "Traceback" not in said


def test_a_lost_terminal_ends_a_file_job_but_not_what_was_told_to_ignore_it() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with interrupts(hangup=True) as asked:
        os.kill(os.getpid(), signal.SIGHUP)
        assert asked.is_set()
    assert signal.getsignal(signal.SIGHUP) is before
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts(hangup=True) as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not asked.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("long") / "in.mp4", carphone().pictures * 8)


def begun(target: Path, clip: Path) -> subprocess.Popen[str]:
    """A job that has written something."""
    job = subprocess.Popen([*PROGRAM, "file", str(clip), str(target)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 1000 for path in target.parent.glob(".*.part")):
        assert job.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return job


@pytest.mark.slow
def test_a_hangup_leaves_nothing(long_clip: Path, tmp_path: Path) -> None:
    job = begun(tmp_path / "out.mp4", long_clip)
    job.send_signal(signal.SIGHUP)
    _, said = job.communicate(timeout=30)
    assert job.returncode == 130 and said.splitlines()[-1] == "veilcast: interrupted; nothing was written"
    assert names(tmp_path) == []


@pytest.mark.slow
@needs_ffmpeg
def test_what_a_killed_run_left_is_cleared_and_what_a_live_one_writes_is_not(long_clip: Path, tmp_path: Path) -> None:
    target, short = tmp_path / "out.mp4", encoded(tmp_path / "short.mp4", *x264())
    killed = begun(target, long_clip)
    killed.kill()
    killed.communicate(timeout=30)
    (left,) = tmp_path.glob(".*.part")
    alive = begun_beside(target, long_clip, left)
    try:
        assert not left.exists(), "the next run cleared it"
        (other,) = tmp_path.glob(".*.part")
        assert main(["file", str(short), str(target)]) == 0, "both may run at once"
        assert other.exists() and names(tmp_path) == sorted([other.name, "out.mp4", "short.mp4"])
        data = target.read_bytes()
    finally:
        alive.send_signal(signal.SIGTERM)
        alive.communicate(timeout=30)
    assert alive.returncode == 130
    assert names(tmp_path) == ["out.mp4", "short.mp4"] and target.read_bytes() == data


def begun_beside(target: Path, clip: Path, left: Path) -> subprocess.Popen[str]:
    job = subprocess.Popen([*PROGRAM, "file", str(clip), str(target)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(path != left and path.stat().st_size > 1000 for path in target.parent.glob(".*.part")):
        assert job.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return job


def test_only_what_is_its_own_is_cleared(tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "out.mp4", tmp_path / "precious"
    elsewhere.write_text("precious", "utf-8")
    (tmp_path / ".out.mp4.0123abcd.part").write_text("dead", "utf-8")
    kept = [".out.mp4.part", ".out.mp4.0123ABCD.part", ".other.mp4.0123abcd.part", "out.mp4.0123abcd.part"]
    for name in kept:
        (tmp_path / name).write_text("not mine", "utf-8")
    (tmp_path / ".out.mp4.00000000.part").symlink_to(elsewhere)
    locked = tmp_path / ".out.mp4.11111111.part"
    with locked.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        partial = Partial(target)
        partial.discard()
    assert names(tmp_path) == sorted([*kept, ".out.mp4.00000000.part", locked.name, "precious"])
    assert elsewhere.read_text("utf-8") == "precious"


def test_a_partial_file_is_published_once_and_never_over_another(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    partials = [Partial(target) for _ in range(2)]
    for number, partial in enumerate(partials):
        partial.path.write_text(str(number), "utf-8")
    partials[1].publish(overwrite=False)
    with pytest.raises(FileExistsError):
        partials[0].publish(overwrite=False)
    partials[0].discard()
    partials[1].discard()
    assert names(tmp_path) == ["out.mp4"] and target.read_text("utf-8") == "1"


# Full disks


@pytest.mark.slow
@needs_ffmpeg
def test_a_report_that_finds_no_room_says_that_the_copy_is_there(
    film: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["file", str(film), "--report", str(tmp_path / "report.json")]) == 1
    said = capsys.readouterr().err
    copy = tmp_path / "film.masked.mp4"
    assert said == (
        f"veilcast: {tmp_path / 'report.json'}: the report cannot be written (no space left on device); "
        f"the copy {copy} is complete\n"
    )
    assert names(tmp_path) == ["film.masked.mp4", "film.mp4"]


@pytest.mark.slow
@needs_ffmpeg
def test_nobody_listening_does_not_end_a_job(film: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, "file", str(film)], stderr=writer, check=False, timeout=60)
    os.close(writer)
    assert done.returncode == 0 and (tmp_path / "film.masked.mp4").exists()


# Damaged sound


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("codec", "source", "target"), [("ac3", "mkv", "mp4"), ("eac3", "mkv", "mp4"), ("aac", "ts", "mp4")]
)
@pytest.mark.parametrize("policy", ["keep", "disguise"])
def test_damaged_sound_does_not_end_a_job(
    codec: str, source: str, target: str, policy: str, tmp_path: Path, capsys: Capture
) -> None:
    from tests.rigs.containers import damaged_sound, duration, ffmpeg, picture, streams, tone, video_times

    whole = tmp_path / f"whole.{source}"
    ffmpeg(*picture(), *tone(), *x264("-bf", "0"), "-c:a", codec, whole)
    path = damaged_sound(tmp_path / f"in.{source}", whole)
    out = tmp_path / f"out.{target}"
    assert main(["file", str(path), str(out), "--audio", policy]) == 3
    said = capsys.readouterr().err
    assert "audio track #1" in said and "damaged packets" in said
    assert len(video_times(out)) == 15 and len(streams(out, "audio")) == 1 and float(duration(out)) > 0.5


@needs_ffmpeg
def test_sound_that_does_not_fit_is_named(tmp_path: Path, capsys: Capture) -> None:
    from tests.rigs.containers import ffmpeg, picture, tone

    path = tmp_path / "in.mkv"
    ffmpeg(*picture(), *tone(), *x264(), "-c:a", "truehd", "-strict", "-2", path)
    assert main(["file", str(path), str(tmp_path / "out.mp4")]) == 1
    assert ".mp4 cannot hold audio track #1 (truehd) as it is; choose a .mkv target" in capsys.readouterr().err


def test_sound_that_is_no_number_is_disguised_all_the_same(tmp_path: Path) -> None:
    import av

    from tests.rigs.containers import moving_pictures

    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 96, 64
        sound = container.add_stream("pcm_f32le", rate=48_000)
        samples = np.zeros((1, 9600), np.float32)
        samples[:, ::3], samples[:, 1::7] = np.nan, 1e30
        frame = av.AudioFrame.from_ndarray(samples, "flt", "stereo")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux([*sound.encode(frame), *sound.encode(None)])
        for picture in moving_pictures(5):
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
    assert main(["file", str(path), "--audio", "disguise"]) == 0
