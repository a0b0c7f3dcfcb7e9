"""`veilcast file --verify`: what the check finds is masked before the copy appears."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import jsonschema
import numpy as np
import pytest

from core.config import DetectConfig, SecondConfig, TrackConfig
from core.pictures.orientation import Orientation
from streamer import InputError, OutputError, Progress, Settings, anonymize_and_verify, anonymize_file, verify_file
from streamer.cli.main import main
from streamer.errors import InterruptedJobError
from streamer.file.mask_writer import MaskWriter
from streamer.media.display_matrix import matrix_of
from streamer.verify import verified_copy
from streamer.verify.work_folder import WorkFolder
from tests.rigs.containers import damaged, needs_ffmpeg, plain
from tests.rigs.faces import read_grey, shot, write
from tests.rigs.leaks import leaks

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")
SCHEMA = Path(__file__).parents[3] / "docs" / "report.schema.json"
Capture = pytest.CaptureFixture[str]
FRAMES = 12
MOVING = [shot(110 + 5 * i, 120 + i, 80) for i in range(FRAMES)]
BLIND = Settings(
    track=TrackConfig(new_track_score=1.0, min_score=1.0),
    detect=DetectConfig(second=SecondConfig(detector="none")),
)
"""With these settings no detection is good enough."""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "in.mp4", [picture for picture, _ in MOVING])


def shown(clip: Path, copy: Path) -> list[int]:
    return leaks(read_grey(clip), read_grey(copy), [boxes for _, boxes in MOVING])


def record_without(clip: Path, frames: range) -> Path:
    """A record of the clip's masks that has none in these frames."""
    masks, edited = clip.with_name("masks.jsonl"), clip.with_name("edited.jsonl")
    anonymize_file(clip, clip.with_name("first.mp4"), masks=masks)
    header, *lines = [json.loads(line) for line in masks.read_text("utf-8").splitlines()]
    for line in lines:
        line["regions"] = [] if line["frame"] in frames else line["regions"]
    edited.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)), "utf-8")
    return edited


@pytest.mark.parametrize("every", [1, 4])
def test_a_face_that_the_first_pass_misses_is_masked(clip: Path, every: int) -> None:
    out = clip.with_name("out.mp4")
    anonymize_file(clip, out, BLIND)
    assert shown(clip, out) == list(range(FRAMES))
    report = anonymize_and_verify(clip, out, BLIND, every=every, overwrite=True)
    assert shown(clip, out) == []
    check = report.verification
    assert check is not None and check.left == [] and check.every == every and check.checked == FRAMES // every
    assert check.rounds[0].findings >= FRAMES // every and check.rounds[0].faces == 1
    assert check.rounds[0].frames == FRAMES and check.rounds[-1].findings == 0
    assert check.added[0].share > 0.9 and check.added[0].start == 0
    assert report.output.path == str(out) and report.output.bytes == out.stat().st_size
    assert verify_file(clip, out, every=1).findings == []


def test_only_what_is_missing_is_added(clip: Path) -> None:
    out = clip.with_name("out.mp4")
    edited = record_without(clip, range(5, 7))
    report = anonymize_and_verify(clip, out, from_masks=edited, masks=clip.with_name("final.jsonl"))
    assert shown(clip, out) == [] and report.verification is not None
    added = report.verification.rounds[0]
    assert 2 <= added.frames < FRAMES
    lines = [json.loads(line) for line in clip.with_name("final.jsonl").read_text("utf-8").splitlines()][1:]
    assert [len(line["regions"]) for line in lines][5:7] == [1, 1], "the record says what was painted in the end"


def test_a_file_that_is_masked_well_is_painted_once_as_without(clip: Path) -> None:
    plainly, verified = clip.with_name("plain.jsonl"), clip.with_name("verified.jsonl")
    anonymize_file(clip, clip.with_name("plain.mp4"), masks=plainly)
    report = anonymize_and_verify(clip, clip.with_name("out.mp4"), masks=verified)
    assert report.verification is not None and len(report.verification.rounds) == 1
    assert verified.read_bytes() == plainly.read_bytes()


def test_a_container_without_rotation_is_no_reason_to_give_up(tmp_path: Path) -> None:
    turned = [np.ascontiguousarray(np.rot90(picture)) for picture, _ in MOVING]
    clip = write(tmp_path / "in.mp4", turned, matrix_of(Orientation(90)))
    report = anonymize_and_verify(clip, tmp_path / "out.ts", BLIND, every=4)
    assert report.verification is not None
    assert report.verification.rounds[0].faces == 1 and report.verification.left == []


@needs_ffmpeg
def test_a_damaged_input_is_verified_as_far_as_it_goes(tmp_path: Path, capsys: Capture) -> None:
    bad = damaged(tmp_path / "bad.mp4", plain(tmp_path / "whole.mp4"))
    assert main(["file", str(bad), "--verify", "--every", "4"]) == 3
    assert (tmp_path / "bad.masked.mp4").exists() and "verified " in capsys.readouterr().err


@needs_ffmpeg
def test_audio_and_time_stamps_are_as_without(tmp_path: Path) -> None:
    source = plain(tmp_path / "in.mp4")
    anonymize_file(source, tmp_path / "plain.mp4", BLIND)
    anonymize_and_verify(source, tmp_path / "out.mp4", BLIND)

    def packets(path: Path) -> list[tuple[Any, ...]]:
        with av.open(str(path)) as container:
            return [
                (p.stream_index, p.pts, p.duration, bytes(p) if p.stream.type == "audio" else b"")
                for p in container.demux()
                if p.size
            ]

    assert sorted(packets(tmp_path / "out.mp4")) == sorted(packets(tmp_path / "plain.mp4"))


def test_rounds_are_limited_and_what_is_left_is_exit_code_4(clip: Path, capsys: Capture) -> None:
    """Regions that are never painted leave the face as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verified_copy, "added_regions", lambda frames, *_: [[] for _ in frames])
        edited = record_without(clip, range(FRAMES))
        report = clip.with_name("report.json")
        words = ["file", str(clip), str(clip.with_name("out.mp4")), "--verify", "--every", "6"]
        assert main([*words, "--from-masks", str(edited), "--report", str(report)]) == 4
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("warning: 1 place still may show a face, at 0.00 s")
    found = json.loads(report.read_text("utf-8"))
    jsonschema.validate(found, json.loads(SCHEMA.read_text("utf-8")))
    check = found["verification"]
    assert len(check["rounds"]) == verified_copy.ROUNDS + 1 and len(check["left"]) == 1
    assert clip.with_name("out.mp4").exists()


def test_what_it_says_when_all_is_masked(clip: Path, capsys: Capture) -> None:
    assert main(["file", str(clip), "--verify", "--every", "4"]) == 0
    said = capsys.readouterr().err
    assert "verified 3 frames: masked 0 places more in 0 rounds, 0 places left" in said


def test_every_without_verify_is_refused(clip: Path, capsys: Capture) -> None:
    assert main(["file", str(clip), "--every", "4"]) == 2
    assert "--every: only has a meaning with --verify" in capsys.readouterr().err


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("after", [3, FRAMES + 2, 2 * FRAMES + 3], ids=["painting", "checking", "painting again"])
def test_interrupted_at_any_time_it_leaves_nothing(clip: Path, after: int) -> None:
    interrupt = threading.Event()
    steps: list[Progress] = []

    def step(progress: Progress) -> None:
        steps.append(progress)
        assert any(name.endswith(".work") for name in names(clip.parent))
        if len(steps) == after:
            interrupt.set()

    with pytest.raises(InterruptedJobError):
        anonymize_and_verify(clip, settings=BLIND, every=1, on_progress=step, interrupt=interrupt)
    assert len(steps) >= after and names(clip.parent) == ["in.mp4"]


def test_a_full_disk_is_said_and_leaves_nothing(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the second record, after the first round was checked."""
    write_decision: Callable[..., None] = MaskWriter.write_decision
    count = 0

    def full(self: MaskWriter, *rest: object) -> None:
        nonlocal count
        count += 1
        if count > FRAMES + 2:
            raise self._unwritable(OSError(28, "No space left on device"))
        write_decision(self, *rest)

    monkeypatch.setattr(MaskWriter, "write_decision", full)
    out = clip.with_name("out.mp4")
    with pytest.raises(OutputError, match=r"out\.mp4: .*No space left on device"):
        anonymize_and_verify(clip, out, BLIND, every=4)
    assert names(clip.parent) == ["in.mp4"]


def test_leftovers_of_a_killed_run_are_removed_and_those_of_a_running_one_are_not(clip: Path) -> None:
    out = clip.with_name("out.mp4")
    dead, other = clip.with_name(".out.mp4.0123abcd.work"), clip.with_name(".other.mp4.0123abcd.work")
    for folder in (dead, other):
        folder.mkdir()
        (folder / "copy.mp4").write_text("half", "utf-8")
    with WorkFolder(out) as running:
        assert not dead.exists()
        with WorkFolder(out) as second:
            assert running.path.exists() and second.path.exists() and second.path != running.path
        assert running.path.stat().st_mode & 0o077 == 0, "nobody else looks at what is not verified"
    assert names(clip.parent) == [".other.mp4.0123abcd.work", "in.mp4"]


def test_targets_are_checked_before_anything_is_done(clip: Path) -> None:
    steps: list[Progress] = []
    out = clip.with_name("out.mp4")
    out.write_text("mine", "utf-8")
    with pytest.raises(OutputError, match="exists already"):
        anonymize_and_verify(clip, out, on_progress=steps.append)
    with pytest.raises(OutputError, match="is the input itself"):
        anonymize_and_verify(clip, clip, on_progress=steps.append, overwrite=True)
    with pytest.raises(InputError, match="does not exist"):
        anonymize_and_verify(clip.with_name("none.mp4"), on_progress=steps.append)
    with pytest.raises(OutputError, match="must end in"):
        anonymize_and_verify(clip, clip.with_name("new.mp4"), masks=clip.with_name("x.txt"), on_progress=steps.append)
    assert steps == [] and names(clip.parent) == ["in.mp4", "out.mp4"] and out.read_text("utf-8") == "mine"


def test_a_target_that_appears_meanwhile_is_not_replaced(clip: Path) -> None:
    out = clip.with_name("out.mp4")

    def appear(_: Progress) -> None:
        out.write_text("mine", "utf-8")

    with pytest.raises(OutputError, match="appeared while the copy was being made"):
        anonymize_and_verify(clip, out, every=4, on_progress=appear)
    assert names(clip.parent) == ["in.mp4", "out.mp4"] and out.read_text("utf-8") == "mine"


def test_rows_for_other_tools_have_the_added_masks(clip: Path) -> None:
    rows = clip.with_name("masks.csv")
    anonymize_and_verify(clip, clip.with_name("out.mp4"), BLIND, every=4, masks=rows)
    frames = {int(row.split(",")[0]) for row in rows.read_text("utf-8").splitlines()}
    assert frames == set(range(1, FRAMES + 1))


@pytest.mark.parametrize("wrong", [{"every": 0}, {"rounds": -1}])
def test_numbers_that_make_no_sense(clip: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="every must be 1 or more"):
        anonymize_and_verify(clip, **wrong)  # type: ignore[arg-type]
