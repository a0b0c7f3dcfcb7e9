"""`veilcast file` with pictures, folders and many inputs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core.still import StillAnonymizer
from streamer.batch.done import DONE_NAME
from streamer.cli import file as file_command
from streamer.cli.main import main
from streamer.file.report import Report
from streamer.pictures.job import anonymize_picture_file
from streamer.pictures.kind import picture_kind
from streamer.settings.file import Settings
from tests.rigs.faces import carphone, write
from tests.streamer.pictures.files import face_change, opened, portrait, saved

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return saved(tmp_path / "team.jpg", portrait(), quality=90)


def said(capsys: Capture) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_picture_becomes_a_picture(photo: Path, capsys: Capture) -> None:
    assert main(["file", str(photo)]) == 0
    [line] = said(capsys)
    assert re.fullmatch(rf"{photo.parent}/team\.masked\.jpg: 1 face masked in \d+\.\d s", line)
    assert face_change(opened(photo), opened(photo.with_name("team.masked.jpg"))) > 15
    assert main(["file", str(photo), "--quiet"]) == 1
    assert said(capsys) == [
        f"veilcast: {photo.parent}/team.masked.jpg: exists already; --overwrite replaces it"
    ]  # fmt: skip


def test_report_and_progress_of_a_picture(photo: Path, tmp_path: Path, capsys: Capture) -> None:
    report = tmp_path / "report.json"
    assert main(["file", str(photo), "--report", str(report), "--progress", "json"]) == 0
    [line] = said(capsys)
    assert json.loads(line)["frames"] == 1
    found = Report.model_validate_json(report.read_text("utf-8"))
    assert (found.frames, found.faces, found.samples, found.failed_samples) == (1, 1, 1, 0)
    assert "pillow" in found.versions and found.output.path == str(tmp_path / "team.masked.jpg")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--masks", "m.jsonl"], "is a picture, and --masks is for videos"),
        (["out.mp4"], "the copy of a JPEG picture is JPEG, too"),
        (["--max-size", "99x99"], "its pictures are 256x256, more than the 99x99 that --max-size allows"),
        (["--recursive"], "--recursive: needs --output-dir"),
        (["--jobs", "2"], "--jobs: needs --output-dir"),
        (["b.jpg", "c.jpg"], "is a third file: several inputs need --output-dir"),
        (["--output-dir", "out", "--report", "r.json"], "--report: is about one input"),
        (["--output-dir", "out", "--progress", "json"], "--progress json: is about one input"),
        (["--output-dir", "."], "is the input team.jpg, which is never overwritten"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    options: list[str], words: str, photo: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    assert main(["file", photo.name, *options]) in (1, 2)
    [line] = said(capsys)
    assert words in line
    assert [path.name for path in photo.parent.iterdir()] == ["team.jpg"]


def test_a_folder_alone_needs_a_place_for_its_copies(tmp_path: Path, capsys: Capture) -> None:
    assert main(["file", str(tmp_path)]) == 2
    assert said(capsys) == [f"veilcast: {tmp_path}: is a directory: give --output-dir for the copies of its files"]


def test_an_animation_stays_one_or_becomes_a_video(tmp_path: Path) -> None:
    frames = [portrait(size=96), portrait(size=96).rotate(5)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    assert main(["file", str(tmp_path / "a.png"), "--quiet"]) == 0
    assert main(["file", str(tmp_path / "a.png"), str(tmp_path / "b.mkv"), "--quiet"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "a.masked.png", "b.mkv"}
    assert picture_kind(tmp_path / "b.mkv") is None


@pytest.fixture
def many(tmp_path: Path) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    saved(tmp_path / "in" / "a.jpg", portrait())
    saved(tmp_path / "in" / "deep" / "b.png", portrait())
    (tmp_path / "in" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 60)
    (tmp_path / "in" / "notes.txt").write_text("hello\n" * 100, "utf-8")
    write(tmp_path / "film.mp4", carphone().pictures[:5])
    return tmp_path


def test_many_inputs_and_a_bad_one(many: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Settings] = []

    def counted(settings: Settings) -> StillAnonymizer:
        loaded.append(settings)
        return StillAnonymizer(settings)

    monkeypatch.setattr(file_command, "StillAnonymizer", counted)
    monkeypatch.chdir(many)
    assert main(["file", "in", "film.mp4", "--output-dir", "out", "--recursive"]) == 2
    lines = [line for line in said(capsys) if not re.fullmatch(r"\d of 4 files", line)]  # on a slow machine
    assert lines[0] == f"veilcast: {lines[2].removeprefix('failed    ')}"
    assert [re.sub(r"\(.*\)", "(...)", line.replace("2 faces", "1 face")) for line in lines[1:]] == [
        "done      in/a.jpg -> out/a.jpg: 1 face",
        "failed    in/bad.png: is damaged: the PNG picture cannot be decoded (...)",
        "done      in/deep/b.png -> out/deep/b.png: 1 face",
        "done      film.mp4 -> out/film.mp4: 5 frames, 1 face",
        "skipped   in/notes.txt: is a text file, not a video",
        "3 done, 1 failed, 1 skipped",
    ]
    files = {str(path.relative_to(many / "out")) for path in (many / "out").rglob("*") if path.is_file()}
    assert files == {"a.jpg", "deep/b.png", "film.mp4", DONE_NAME}
    assert len(loaded) == 1


def test_quiet_leaves_the_errors(many: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(many)
    assert main(["file", "in", "--output-dir", "out", "--quiet"]) == 2
    [line] = said(capsys)
    assert line.startswith("veilcast: in/bad.png: is damaged")


def test_nothing_is_written_if_two_would_be_one(many: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(many)
    assert main(["file", "in/a.jpg", "in", "--output-dir", "out"]) == 1
    assert said(capsys) == ["veilcast: out/a.jpg: would be the copy of both in/a.jpg and in/a.jpg"]
    assert not (many / "out").exists()


def test_an_interruption_leaves_what_is_whole(many: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    made = anonymize_picture_file

    def stop_after(*arguments: object, interrupt: threading.Event, **options: object) -> Report:
        report = made(*arguments, interrupt=interrupt, **options)  # type: ignore[arg-type]
        interrupt.set()
        return report

    monkeypatch.setattr(file_command, "anonymize_picture_file", stop_after)
    monkeypatch.chdir(many)
    assert main(["file", "in/a.jpg", "film.mp4", "--output-dir", "out"]) == 130
    assert said(capsys) == [
        "done      in/a.jpg -> out/a.jpg: 1 face",
        "not done  film.mp4",
        "1 done, 1 not done",
        "veilcast: interrupted; only whole copies were kept",
    ]
    assert {path.name for path in (many / "out").iterdir()} == {"a.jpg", DONE_NAME}


def test_what_is_done_is_not_made_again(many: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(many)
    command = ["file", "in/a.jpg", "in/deep/b.png", "film.mp4", "--output-dir", "out"]
    assert main(command) == 0
    before = {path: path.stat().st_mtime_ns for path in (many / "out").iterdir()}
    said(capsys)
    assert main(command) == 0
    assert said(capsys)[-2:] == ["kept      film.mp4 -> out/film.mp4: made before in the same way", "3 kept"]
    assert {path: path.stat().st_mtime_ns for path in (many / "out").iterdir()} == before
    assert main([*command, "--mask", "solid"]) == 1, "other settings: what is there is not replaced unasked"
    assert said(capsys)[-1] == "3 failed"
    saved(many / "in" / "a.jpg", portrait().rotate(3))
    (many / "out" / "b.png").write_bytes(b"mine")
    (many / "out" / "film.mp4").unlink()
    with (many / "out" / DONE_NAME).open("ab") as file:
        file.write(b'{"half a li')
    assert main(command) == 1
    assert said(capsys)[-4:] == [
        "failed    out/a.jpg: exists already; --overwrite replaces it",
        "failed    out/b.png: exists already; --overwrite replaces it",
        "done      film.mp4 -> out/film.mp4: 5 frames, 1 face",
        "1 done, 2 failed",
    ]
    assert main([*command, "--overwrite"]) == 0
    assert said(capsys)[-1] == "3 done"


def test_several_at_a_time(many: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(many)
    assert main(["file", "in", "film.mp4", "--output-dir", "out", "--recursive", "--jobs", "2"]) == 2
    lines = said(capsys)
    assert [line.split(":")[0] for line in lines[-6:]] == [
        "done      in/a.jpg -> out/a.jpg",
        "failed    in/bad.png",
        "done      in/deep/b.png -> out/deep/b.png",
        "done      film.mp4 -> out/film.mp4",
        "skipped   in/notes.txt",
        "3 done, 1 failed, 1 skipped",
    ]
    for name in ("a.jpg", "deep/b.png"):
        assert face_change(opened(many / "in" / name), opened(many / "out" / name)) > 15
    assert main(["file", "in", "film.mp4", "--output-dir", "out", "--recursive", "--jobs", "2"]) == 2
    assert said(capsys)[-1] == "3 kept, 1 failed, 1 skipped"


def living(group: int) -> list[str]:
    """The processes of a group, dead ones that nobody has asked about left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text("utf-8").rpartition(")")
            state, _, its_group = rest.split()[:3]
            found += [name] if int(its_group) == group and state != "Z" else []
    return found


def test_ctrl_c_stops_all_processes(tmp_path: Path) -> None:
    """The signal goes to the whole group, as from a terminal."""
    (tmp_path / "in").mkdir()
    clip = write(tmp_path / "in" / "a.mp4", carphone().pictures[:60] * 8)
    for name in ("b", "c"):
        shutil.copy(clip, clip.with_stem(name))
    command = [sys.executable, "-m", "streamer.cli.entry", "file", "in", "--output-dir", "out", "--jobs", "2"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        try:
            begun = time.monotonic()
            while len(list((tmp_path / "out").glob(".*.part"))) < 2 and time.monotonic() - begun < 60:
                assert running.poll() is None
                time.sleep(0.05)
            os.killpg(running.pid, signal.SIGINT)
            _, errors = running.communicate(timeout=60)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 130
    lines = [line for line in errors.splitlines() if " of " not in line]
    assert lines[-2:] == ["3 not done", "veilcast: interrupted; only whole copies were kept"]
    assert len(lines) == 5, errors
    assert list((tmp_path / "out").iterdir()) == []
    begun = time.monotonic()
    while living(running.pid) and time.monotonic() - begun < 20:
        time.sleep(0.05)
    assert not living(running.pid)


def test_as_a_program(many: Path) -> None:
    command = [sys.executable, "-m", "streamer.cli.entry", "file", "in/a.jpg", "film.mp4", "--output-dir", "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=many)
    assert done.returncode == 0 and done.stdout == "" and done.stderr.splitlines()[-1] == "2 done"
