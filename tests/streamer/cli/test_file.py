"""`veilcast file`: what it says while it works and afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.cli import progress as progress_module
from streamer.cli.main import main
from tests.rigs.containers import damaged, needs_ffmpeg, plain
from tests.rigs.faces import carphone, write

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "in.mp4", carphone().pictures[:20])


def said(capsys: Capture) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_quiet_says_nothing_when_all_is_well(clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(progress_module, "LINE_EVERY", 0.0)
    assert main(["file", str(clip), "--quiet"]) == 0
    assert said(capsys) == [] and (clip.parent / "in.masked.mp4").exists()


def test_quiet_with_progress_says_how_far_it_is_and_no_more(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(progress_module, "LINE_EVERY", 0.0)
    assert main(["file", str(clip), "--quiet", "--progress", "plain"]) == 0
    lines = said(capsys)
    assert len(lines) == 20 and all(" fps, " in line and "settled" not in line for line in lines)


@needs_ffmpeg
def test_quiet_leaves_warnings_errors_and_exit_codes(tmp_path: Path, capsys: Capture) -> None:
    bad = damaged(tmp_path / "bad.mp4", plain(tmp_path / "whole.mp4"))
    assert main(["file", str(bad), "--quiet"]) == 3
    lines = said(capsys)
    assert lines and all(line.startswith("warning: ") for line in lines)
    assert main(["file", str(bad), "--quiet"]) == 1
    (line,) = said(capsys)
    assert line.startswith(f"veilcast: {tmp_path / 'bad.masked.mp4'}: exists already")


def test_json_for_programs(clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(progress_module, "JSON_EVERY", 0.0)
    assert main(["file", str(clip), "--progress", "json"]) == 0
    records = [json.loads(line) for line in said(capsys)]
    assert [record["frames"] for record in records] == list(range(1, 21))
    assert all(list(record) == ["frames", "seconds", "total", "fps", "eta"] for record in records)
    seconds = [record["seconds"] for record in records]
    assert seconds == sorted(seconds) and seconds[0] == 0 and seconds[-1] < records[0]["total"] == pytest.approx(0.8)
    assert records[0]["eta"] is None and records[-1]["fps"] > 0 and records[-1]["eta"] >= 0


def test_json_on_a_pipe_has_where_it_ended(clip: Path) -> None:
    command = [sys.executable, "-m", "streamer.cli.entry", "file", str(clip), "--progress", "json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout == ""
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert 2 <= len(records) < 10 and records[-1]["frames"] == 20


@pytest.mark.parametrize(
    ("form", "lines"), [("none", 1), ("plain", 21), ("bar", 21)], ids=["none", "plain", "a bar is plain on no terminal"]
)
def test_forms(form: str, lines: int, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(progress_module, "LINE_EVERY", 0.0)
    assert main(["file", str(clip), "--progress", form]) == 0
    assert len(said(capsys)) == lines


def test_a_form_that_there_is_not(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["file", "x.mp4", "--progress", "xml"])
    assert stop.value.code == 2 and "'bar', 'plain', 'json', 'none'" in capsys.readouterr().err


def test_every_problem_of_a_file_is_said_before_anything_is_done(tmp_path: Path, clip: Path, capsys: Capture) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("mask:\n  cells: 7\ntrack:\n  margin: 0\n", "utf-8")
    assert main(["file", str(clip), "--config", str(own)]) == 2
    assert said(capsys) == [
        f"veilcast: {own}: line 2: mask.cells: must be 6 or less, not 7",
        f"veilcast: {own}: line 4: track.margin: must be 1 or more, not 0",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "own.yaml"]
