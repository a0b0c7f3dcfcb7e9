"""A part of a video: exactly its frames, its sound beside them, and masks as in the whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamer import InputError, anonymize_file
from streamer.cli.main import main
from streamer.file.part import Part
from tests.rigs.camera.audio_clip import apart, audio_packets, beeping_clip
from tests.rigs.containers import video_times
from tests.rigs.faces import CLIPS, read_grey, write
from tests.rigs.fakes import ScriptedDetector
from tests.rigs.leaks import leaks

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_frames_and_sound_of_the_part(suffix: str, tmp_path: Path) -> None:
    source, target = beeping_clip(tmp_path / f"in.{suffix}"), tmp_path / f"out.{suffix}"
    times = video_times(source)
    report = anonymize_file(source, target, start=2.01, end=5.0, make_detector=lambda: ScriptedDetector(then="nothing"))
    kept = [time for time in times if Fraction("2.01") <= time - times[0] < 5]
    copied = video_times(target)
    assert len(copied) == len(kept) == report.frames
    assert (report.start, report.end) == (2.01, 5.0)
    assert 0 <= copied[0] - times[0] < Fraction(1, 20), "it begins when the whole video does"
    shifted = [time - copied[0] for time in copied]
    assert [round(float(t), 2) for t in shifted] == [round(float(t - kept[0]), 2) for t in kept]
    packets, all_packets = audio_packets(target), audio_packets(source)
    at = all_packets.index(packets[0])
    assert packets == all_packets[at : at + len(packets)] and 0 < at < len(all_packets) - len(packets)
    assert abs(len(packets) / len(all_packets) - 2.99 / 8) < 0.02
    assert max(map(abs, apart(target)), default=1.0) < 0.08


def test_masks_are_settled_at_both_ends(tmp_path: Path) -> None:
    clip = CLIPS["panned"]()
    source, target = write(tmp_path / "in.mp4", clip.pictures), tmp_path / "out.mp4"
    report = anonymize_file(source, target, start=0.4, end=1.0)
    first, last = 10, 25
    after = read_grey(target)
    assert report.frames == len(after) == last - first
    assert report.seconds.held == report.seconds.blanket == 0 and report.faces >= 1
    before = read_grey(source)[first:last]
    assert leaks(before, after, clip.faces[first:last]) == []
    whole = tmp_path / "whole.mp4"
    anonymize_file(source, whole)
    difference = np.abs(np.stack(after).astype(int) - np.stack(read_grey(whole)[first:last]))
    assert difference.mean() < 2, "the same frames, masked in the same way"


def test_a_part_that_is_not_there(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", CLIPS["panned"]().pictures[:10])
    with pytest.raises(InputError, match="has no picture in that part"):
        anonymize_file(source, start=30)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    for start, end in ((-1.0, None), (2.0, 2.0), (3.0, 1.0), (None, 0.0), (float("nan"), None)):
        with pytest.raises(ValueError, match="a part must"):
            Part(start, end)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "1:60"], "'1:60' must be seconds, or HH:MM:SS"),
        (["--start", "x"], "must be seconds"),
        (["--start", "2", "--end", "00:00:02"], "--end: must be later than --start"),
        (["--start", "2", "--verify"], "--verify: is about a whole video"),
        (["--end", "2", "--masks", "m.jsonl"], "--masks: is about a whole video"),
        (["--end", "2", "--output-dir", "out"], "--end: is about one input"),
    ],
)
def test_what_makes_no_sense_is_said(options: list[str], words: str, tmp_path: Path, capsys: Capture) -> None:
    try:
        code = main(["file", str(tmp_path / "in.mp4"), *options])
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2 and words in capsys.readouterr().err


def test_a_part_on_the_command_line(tmp_path: Path) -> None:
    source = write(tmp_path / "in.mp4", CLIPS["panned"]().pictures[:25])
    assert main(["file", str(source), "--start", "0:00.2", "--end", "0.6", "--quiet"]) == 0
    assert len(video_times(tmp_path / "in.masked.mp4")) == 10
