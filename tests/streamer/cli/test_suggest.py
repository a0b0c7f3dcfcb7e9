"""What somebody meant who typed a command that there is not."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.cli.main import main, parser
from streamer.cli.suggest import COMMANDS, correction

Capture = pytest.CaptureFixture[str]


def is_file(word: str) -> bool:
    return word in ("clip", "flie")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("clip.mp4", "there is no command 'clip.mp4'; did you mean: veilcast file clip.mp4?"),
        ("clip", "there is no command 'clip'; did you mean: veilcast file clip?"),
        ("flie", "there is no command 'flie'; did you mean: veilcast file flie?"),
        ("a/b.mov o.mp4 --crf 9", "there is no command 'a/b.mov'; did you mean: veilcast file a/b.mov o.mp4 --crf 9?"),
        ("rtsp://a/1 --rtsp 1", "there is no command 'rtsp://a/1'; did you mean: veilcast live rtsp://a/1 --rtsp 1?"),
        ("RTSPS://cam/1.mp4", "there is no command 'RTSPS://cam/1.mp4'; did you mean: veilcast live RTSPS://cam/1.mp4?"),
        ("/dev/video0", "there is no command '/dev/video0'; did you mean: veilcast live /dev/video0?"),
        ("liev x", "there is no command 'liev'; did you mean: veilcast live x?"),
        ("LIVE", "there is no command 'LIVE'; did you mean: veilcast live?"),
        ("docter", "there is no command 'docter'; did you mean: veilcast doctor?"),
        ("fly", f"there is no command 'fly'; there are: {', '.join(COMMANDS)}"),
        ("config shwo --live", "there is no command 'config shwo'; did you mean: veilcast config show --live?"),
        ("config xyz", "there is no command 'config xyz'; there are: show, check, schema"),
    ],
)  # fmt: skip
def test_what_was_meant(words: str, said: str) -> None:
    assert correction(words.split(), is_file) == said


@pytest.mark.parametrize(
    "words",
    ["", "--help", "--version", "file", "file clip.mp4", "live rtsp://x", "config", "config --help", "config show"],
)
def test_what_is_right_is_left_alone(words: str) -> None:
    assert correction(words.split(), is_file) is None


def test_names_with_blanks_can_be_copied() -> None:
    assert correction(["my clip.mp4", "--mask", "solid"], is_file) == (
        "there is no command 'my clip.mp4'; did you mean: veilcast file 'my clip.mp4' --mask solid?"
    )


def test_it_knows_every_command() -> None:
    def names(around: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
        inner = [action for action in around._actions if isinstance(action, argparse._SubParsersAction)]
        return dict(inner[0].choices) if inner else {}

    assert {name: tuple(names(below)) for name, below in names(parser()).items()} == dict(COMMANDS)


@pytest.mark.parametrize(
    "words",
    [
        ["rtsp://u:topsecret@cam/1", "--rtsp", "8554"],
        ["rtsp://u:top secret@cam/1"],
        ["liev", "rtsp://u:topsecret@cam/1"],
        ["http://cam/x?user=a&password=topsecret"],
        ["rtsp://cam/1", "--push", "rtsp://u:topsecret@nvr/x"],
        ["config", "rtsp://u:topsecret@cam/1"],
        ["clip.mp4", "\x1b[2J\n", "rtsp://u:topsecret@cam/1"],
    ],
    ids=lambda words: " ".join(words[:1])[:8],
)
def test_passwords_are_not_repeated(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "secret" not in said and "\x1b" not in said
    assert said.splitlines()[-1].startswith("veilcast: error: there is no command ")


def test_as_it_is_typed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamer.cli.entry", str(tmp_path / "clip.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines()[-1].endswith(f"did you mean: veilcast file {tmp_path / 'clip.mp4'}?")


def test_a_zero_byte_is_no_file() -> None:
    assert correction(["a\0b"]) == f"there is no command 'a\\x00b'; there are: {', '.join(COMMANDS)}"
