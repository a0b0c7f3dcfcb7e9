"""The command line: one clear line for everything that is wrong, and the right exit code."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.cli import progress as progress_module
from streamer.cli.main import main
from streamer.version import VERSION
from tests.rigs.containers import encoded, ffmpeg, main_video, needs_ffmpeg, plain, streams, tone, x264
from tests.rigs.faces import carphone, panned
from tests.rigs.faces import write as write_clip

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")
Capture = pytest.CaptureFixture[str]
COMMAND = (sys.executable, "-m", "streamer.cli.main")


def _words(value: object) -> str | None:
    """Names a test case by the options it is about."""
    return " ".join(map(str, value)) if isinstance(value, list) else ""


def missing(path: Path) -> Path:
    return path.with_name("gone.mp4")


def empty(path: Path) -> Path:
    path.touch()
    return path


def text(path: Path) -> Path:
    path.write_text("This is not a film.\n" * 50, "utf-8")
    return path


def directory(path: Path) -> Path:
    path.mkdir()
    return path


def sound_only(path: Path) -> Path:
    ffmpeg(*tone(), "-c:a", "aac", path)
    return path


def odd_name(path: Path) -> Path:
    return text(path.with_name("[bold]a % b ü.mp4"))


@needs_ffmpeg
@pytest.mark.parametrize("make", [missing, empty, text, directory, sound_only, odd_name])
def test_bad_input_is_one_line_and_exit_code_2(make: Callable[[Path], Path], tmp_path: Path, capsys: Capture) -> None:
    source = make(tmp_path / "in.mp4")
    before = sorted(tmp_path.iterdir())
    assert main(["file", str(source), str(tmp_path / "out.mp4")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith(f"veilcast: {source}: ") and len(said.err) > len(f"veilcast: {source}: ") + 5
    assert sorted(tmp_path.iterdir()) == before


@needs_ffmpeg
def test_a_cause_on_every_kind_of_bad_input_is_its_own(tmp_path: Path, capsys: Capture) -> None:
    for make in (missing, empty, text, directory, sound_only):
        (tmp_path / make.__name__).mkdir()
        source = make(tmp_path / make.__name__ / "in.mp4")
        assert main(["file", str(source)]) == 2
    causes = [line.split(": ", 2)[2] for line in capsys.readouterr().err.splitlines()]
    assert len(set(causes)) == 5, causes


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return plain(tmp_path / "film.mp4")


@needs_ffmpeg
@pytest.mark.parametrize(
    ("target", "options", "word"),
    [
        ("there.mp4", [], "exists already"),
        ("film.mp4", [], "input itself"),
        ("film.mp4", ["--overwrite"], "input itself"),
        ("link.mp4", ["--overwrite"], "input itself"),
        ("no/where.mp4", [], "does not exist"),
        ("film.docx", [], "unknown kind"),
        ("directory.mp4", ["--overwrite"], "is a directory"),
    ],
)
def test_targets_that_are_refused(
    target: str, options: list[str], word: str, film: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "there.mp4").write_text("precious", "utf-8")
    (tmp_path / "link.mp4").symlink_to(film)
    (tmp_path / "directory.mp4").mkdir()
    data, names = film.read_bytes(), sorted(tmp_path.iterdir())
    assert main(["file", str(film), str(tmp_path / target), *options]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"veilcast: {tmp_path / target}: ") and word in said
    assert film.read_bytes() == data and (tmp_path / "there.mp4").read_text("utf-8") == "precious"
    assert sorted(tmp_path.iterdir()) == names


@pytest.mark.slow
@needs_ffmpeg
def test_a_job_says_what_it_did(film: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["file", str(film), "--report", str(tmp_path / "report.json")]) == 0
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    # A test picture that moves far from frame to frame: what is taken for a face in it may be one.
    line = re.escape(f"{tmp_path / 'film.masked.mp4'}") + r": 15 frames, (0 faces|1 face) followed, 100\.0 % settled, "
    assert re.match(line, said.err)
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["frames"] == 15
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.masked.mp4", "film.mp4", "report.json"]


@pytest.mark.slow
@needs_ffmpeg
def test_overwrite_replaces(film: Path, tmp_path: Path) -> None:
    target = tmp_path / "there.mp4"
    target.write_text("old", "utf-8")
    assert main(["file", str(film), str(target), "--overwrite"]) == 0
    assert len(streams(target, "video")) == 1


@needs_ffmpeg
def test_a_report_that_cannot_be_written_is_said(film: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["file", str(film), "--report", str(tmp_path / "no" / "report.json")]) == 1
    assert f"veilcast: {tmp_path / 'no' / 'report.json'}: " in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("options", "video", "sounds"),
    [
        (["--codec", "hevc", "--crf", "30", "--preset", "ultrafast"], {"codec_name": "hevc"}, 1),
        (["--audio", "drop"], {"codec_name": "h264"}, 0),
        (["--config", "camera"], {"codec_name": "h264"}, 0),
        (["--config", "camera", "--audio", "keep"], {"codec_name": "h264"}, 1),
        (["--config", "OWN"], {"codec_name": "hevc"}, 0),
        (["--config", "OWN", "--codec", "h264"], {"codec_name": "h264"}, 0),
        (["--mask", "solid", "--shape", "box", "--detector", "mediapipe-short"], {"codec_name": "h264"}, 1),
    ],
    ids=_words,
)
def test_options(options: list[str], video: dict[str, str], sounds: int, film: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("encoder: {codec: hevc, preset: ultrafast}\nfile: {audio: drop}\n", "utf-8")
    target = tmp_path / "out.mp4"
    assert main(["file", str(film), str(target), *(str(own) if o == "OWN" else o for o in options)]) == 0
    assert main_video(target).items() >= video.items()
    assert len(streams(target, "audio")) == sounds


@pytest.mark.slow
def test_options_reach_the_report(tmp_path: Path) -> None:
    """Every option makes a difference to the configuration that is written down."""
    source = write_clip(tmp_path / "in.mp4", panned().pictures[:3])
    prints = set()
    choices: tuple[list[str], ...] = (
        [],
        ["--mask", "mosaic"],
        ["--cover", "head"],
        ["--shape", "box"],
        ["--crf", "33"],
        ["--preset", "ultrafast"],
    )
    for options in (*choices, ["--keep-metadata"], ["--config", "crowd"], ["--config", "meeting"]):
        report = tmp_path / "report.json"
        assert main(["file", str(source), "--overwrite", "--report", str(report), *options]) == 0
        prints.add(json.loads(report.read_text("utf-8"))["config_sha256"])
    assert len(prints) == 9


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["file"], "input"),
        ([], "COMMAND"),
        (["fly"], "fly"),
        (["file", "a.mp4", "--mask", "glitter"], "--mask"),
        (["file", "a.mp4", "--shape", "star"], "--shape"),
        (["file", "a.mp4", "--cover", "body"], "--cover"),
        (["file", "a.mp4", "--audio", "louder"], "--audio"),
        (["file", "a.mp4", "--codec", "vp6"], "--codec"),
        (["file", "a.mp4", "--crf", "52"], "--crf"),
        (["file", "a.mp4", "--crf", "-1"], "--crf"),
        (["file", "a.mp4", "--crf", "nan"], "--crf"),
        (["file", "a.mp4", "--crf", "fine"], "--crf"),
        (["file", "a.mp4", "--preset", "warp"], "--preset"),
        (["file", "a.mp4", "--detector", "eyes"], "--detector"),
        (["file", "a.mp4", "--colour"], "--colour"),
    ],
    ids=_words,
)
def test_options_that_cannot_be_meant(options: list[str], word: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(options)
    assert stop.value.code == 2
    assert word in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("gone.yaml", None, "no such file, and no preset: those are camera, crowd, fast, meeting"),
        ("bad.yaml", "mask: {style: glitter}", "mask.style"),
        ("bad.yaml", "detect: {detector: eyes}", "detect.detector"),
        ("bad.yaml", "mask: [", "not YAML"),
    ],
)
def test_a_config_that_cannot_be_meant(
    name: str, content: str | None, word: str, tmp_path: Path, capsys: Capture
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, "utf-8")
    assert main(["file", str(tmp_path / "in.mp4"), "--config", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"veilcast: {tmp_path / name}: ") and word in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["file", "demo", "doctor"]),
        (["file", "--help"], ["--config", "--report", "--audio", "--overwrite", "camera, crowd, fast, meeting"]),
        (["demo", "--help"], ["directory"]),
        (["doctor", "--help"], ["veilcast doctor"]),
        (["--version"], [VERSION]),
    ],
    ids=_words,
)
def test_help(arguments: list[str], words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    said = capsys.readouterr().out
    assert stop.value.code == 0 and all(word in said for word in words)


@needs_ffmpeg
def test_progress_is_plain_lines_when_not_on_a_terminal(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(progress_module, "LINE_EVERY", 0.0)
    assert main(["file", str(film)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 16 and "\x1b" not in "".join(lines) and "\r" not in "".join(lines)
    assert lines[0].startswith("0 %, 1 frames, ") and "14 frames, " in lines[13] and lines[14].endswith(" faces")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It takes far longer to mask than to notice that it has begun."""
    return write_clip(tmp_path_factory.mktemp("long") / "in.mp4", carphone().pictures * 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "begun"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, True)],
    ids=["Ctrl-C in the middle", "Ctrl-C at the start", "SIGTERM"],
)
def test_an_interrupted_job_leaves_nothing(stop: signal.Signals, begun: bool, long_clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    job = subprocess.Popen([*COMMAND, "file", str(long_clip), str(target)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > (1000 if begun else -1) for path in tmp_path.glob(".*.part")):
        assert job.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    job.send_signal(stop)
    _, said = job.communicate(timeout=30)
    assert job.returncode == 130
    *progress, last = said.splitlines()  # a slow machine has shown some by then
    assert last == "veilcast: interrupted; nothing was written"
    assert all(re.match(r"\d+ %, ", line) for line in progress)
    assert not list(tmp_path.iterdir())


def _small_files_only() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))  # writes beyond fail, as on a full disk
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", panned().pictures)
    job = subprocess.run(
        [*COMMAND, "file", str(source)], preexec_fn=_small_files_only, capture_output=True, text=True, check=False
    )
    assert job.returncode == 1
    assert job.stderr.count("\n") == 1 and job.stderr.startswith(f"veilcast: {tmp_path / 'in.masked.mp4'}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@needs_ffmpeg
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_no_permission(film: Path, tmp_path: Path, capsys: Capture) -> None:
    film.chmod(0)
    assert main(["file", str(film), str(tmp_path / "out.mp4")]) == 2
    assert "permission" in capsys.readouterr().err


@needs_ffmpeg
def test_a_copy_without_pictures_to_show(tmp_path: Path, capsys: Capture) -> None:
    source = encoded(tmp_path / "in.mp4", *x264("-frames:v", "1"))
    assert main(["file", str(source)]) == 0
    assert ": 1 frames" in capsys.readouterr().err
