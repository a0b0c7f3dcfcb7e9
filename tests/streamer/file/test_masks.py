"""Decisions on the record: written beside the copy, and painted from again, to the same bits."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from core.config import MaskConfig, ZoneConfig
from core.frame import Cover
from core.masked_frame import MaskedFrame
from core.pictures.orientation import Orientation
from streamer import InputError, OutputError, Progress, Settings, anonymize_file
from streamer.cli.main import main
from streamer.errors import InterruptedJobError, JobError
from streamer.file.mask_record import record_schema
from streamer.file.masked_file import MaskedFile
from streamer.media.display_matrix import matrix_of
from tests.rigs.faces import CLIPS, read_grey
from tests.rigs.faces import write as write_clip
from tests.rigs.fakes import ScriptedDetector
from tests.rigs.leaks import leaks

SCHEMA = Path(__file__).parents[3] / "docs" / "masks.schema.json"
FRAMES = 30

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")

Lines = list[dict[str, Any]]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A face that moves, is gone after a cut, and comes back."""
    return write_clip(tmp_path / "in.mp4", CLIPS["cut_away_and_back"]().pictures[:FRAMES])


def lines_of(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write_lines(path: Path, lines: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every frame as it goes to the encoder; libx264 itself does not always give the same bits twice."""
    seen: list[bytes] = []
    write = MaskedFile.write_frame

    def written(file: MaskedFile, masked: MaskedFrame) -> None:
        seen.append(masked.video.to_ndarray().tobytes())
        write(file, masked)

    monkeypatch.setattr(MaskedFile, "write_frame", written)
    return seen


def record(clip: Path, settings: Settings | None = None, name: str = "masks.jsonl") -> tuple[Path, Path]:
    """The copy and the record of a run with the detector."""
    copy, masks = clip.with_name("first.mp4"), clip.with_name(name)
    anonymize_file(clip, copy, settings, masks=masks)
    return copy, masks


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(mask=MaskConfig(style="mosaic", shape="box", refresh=0)),
        Settings(mask=MaskConfig(cover="head")),
        Settings(mask=MaskConfig(outline=True), zones=(ZoneConfig(points=((0, 0), (0.2, 0), (0.2, 0.3))),)),
    ],
    ids=["defaults", "mosaic", "heads", "zones"],
)
def test_a_record_paints_the_same_bits_without_a_detector(clip: Path, settings: Settings, painted: list[bytes]) -> None:
    masks = record(clip, settings)[1]
    first = painted.copy()
    painted.clear()

    def no_detector() -> ScriptedDetector:
        raise AssertionError("a detector was made")

    masks_again = clip.with_name("again.jsonl")
    report = anonymize_file(
        clip, clip.with_name("again.mp4"), from_masks=masks, masks=masks_again, make_detector=no_detector
    )
    assert len(first) == FRAMES and painted == first
    assert masks_again.read_bytes() == masks.read_bytes()
    assert report.samples == 0 and report.weights is None and report.faces >= 1
    assert report.masks is not None and report.masks.path == str(masks)


def test_of_a_turned_video_too(tmp_path: Path, painted: list[bytes]) -> None:
    matrix = matrix_of(Orientation(90))
    source = write_clip(tmp_path / "in.mp4", CLIPS["panned"]().pictures[:12], matrix)
    masks = record(source)[1]
    header = lines_of(masks)[0]
    assert header["width"] < header["height"], "regions are in pixels of the upright picture"
    anonymize_file(source, tmp_path / "again.mp4", from_masks=masks)
    assert len(painted) == 24 and painted[:12] == painted[12:]


def test_what_a_record_says(clip: Path) -> None:
    _, masks = record(clip)
    header, *frames = lines_of(masks)
    assert header["schema"] == "veilcast-masks-1" and header["input"]["bytes"] == clip.stat().st_size
    assert [line["frame"] for line in frames] == list(range(FRAMES))
    assert [line["pts"] for line in frames] == sorted(line["pts"] for line in frames)
    regions = [region for line in frames for region in line["regions"]]
    assert {region["origin"] for region in regions} >= {"seen", "interpolated"}
    assert all(0.3 < region["score"] <= 1 and region["track"] >= 0 for region in regions)
    schema = json.loads(SCHEMA.read_text("utf-8"))
    assert SCHEMA.read_text("utf-8") == record_schema()
    for line in (header, *frames):
        jsonschema.validate(line, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**frames[0], "frame": -1}, schema)


def test_edits_are_painted(clip: Path) -> None:
    """Regions are added, taken away and widened; frames that are left out are masked whole."""
    header, *frames = lines_of(record(clip)[1])
    everywhere = {"box": [0, 0, header["width"], header["height"]], "track": 77}
    shown = next(i for i, line in enumerate(frames) if line["regions"])
    left_out = shown + 4
    for line in frames:
        line["regions"] = [] if line["frame"] == shown else line["regions"]
    frames[left_out + 1]["regions"] = [everywhere]
    edited = write_lines(clip.with_name("edited.jsonl"), [header, *frames[:left_out], *frames[left_out + 1 :]])
    again, masks = clip.with_name("again.mp4"), clip.with_name("again.jsonl")
    report = anonymize_file(clip, again, from_masks=edited, masks=masks)
    _, *painted = lines_of(masks)
    assert painted[left_out]["cover"] == Cover.BLANKET and report.seconds.blanket > 0
    assert painted[left_out + 1]["regions"][0]["track"] == 77
    faces = CLIPS["cut_away_and_back"]().faces[:FRAMES]
    assert leaks(read_grey(clip), read_grey(again), faces) == [shown], "the one that the editor wanted to be seen"


def test_a_record_of_any_video_may_leave_out_what_it_does_not_know(clip: Path) -> None:
    lines = [{"schema": "veilcast-masks-1"}, {"frame": 0, "cover": "settled"}, {"frame": 2, "cover": "blanket"}]
    report = anonymize_file(clip, clip.with_name("out.mp4"), from_masks=write_lines(clip.with_name("m.jsonl"), lines))
    assert report.seconds.settled == pytest.approx(report.seconds.blanket / (FRAMES - 1), rel=0.01)


def frame(**values: object) -> dict[str, object]:
    return {"frame": 0, "cover": "settled", **values}


HEADER = {"schema": "veilcast-masks-1"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "is empty"),
        ([frame()], "line 1: "),
        ([{"schema": "veilcast-masks-2"}], "line 1: schema"),
        ([{**HEADER, "width": 3, "height": 4}, frame()], "line 1: pictures are 480x360, not 3x4"),
        ([HEADER, frame(), frame()], "line 3: frame 0 comes after frame 0"),
        ([HEADER, frame(frame=5), frame(frame=4)], "line 3: frame 4 comes after frame 5"),
        ([HEADER, frame(frame=FRAMES)], f"line 2: there is no frame {FRAMES}: the video has {FRAMES} frames"),
        ([HEADER, frame(pts=12345)], "line 2: frame 0 of the video has pts 0, not 12345"),
        ([HEADER, frame(cover="hidden")], "line 2: cover"),
        ([HEADER, frame(colour="red")], "line 2: colour"),
        ([HEADER, frame(regions=[{"box": [1, 2, 3]}])], "line 2: regions.0.box"),
        ([HEADER, frame(regions=[{"box": [5, 5, 5, 9]}])], "line 2: regions.0"),
        ([HEADER, frame(regions=[{"box": [1, 2, 3, 4], "score": 2}])], "line 2: regions.0.score"),
        ([HEADER, frame(regions=[{"box": [1, 2, 3, 4], "origin": "guessed"}])], "line 2: regions.0.origin"),
        ([HEADER, "text"], "line 2: "),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_what_is_wrong_is_named_with_its_line(
    clip: Path, capsys: pytest.CaptureFixture[str], lines: Sequence[object], said: str
) -> None:
    masks, out = write_lines(clip.with_name("bad.jsonl"), lines), clip.with_name("out.mp4")
    assert main(["file", str(clip), str(out), "--from-masks", str(masks)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"veilcast: {masks}: ") and said in last
    assert sorted(path.name for path in clip.parent.iterdir()) == ["bad.jsonl", "in.mp4"]


ODD = {"utf-16": b"\xff\xfe", "cut": b'{"schema":', "deep": b"[" * 100_000, "nan": b"NaN", "zeros": bytes(64)}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_bytes_that_are_no_record(clip: Path, text: bytes) -> None:
    masks = clip.with_name("bad.jsonl")
    masks.write_bytes(text)
    with pytest.raises(InputError, match="line 1: "):
        anonymize_file(clip, clip.with_name("out.mp4"), from_masks=masks)


def test_heads_are_not_painted_from_a_record_of_faces(clip: Path) -> None:
    """A record holds the regions themselves: the setting would hide no more than the record says."""
    _, masks = record(clip)
    out = clip.with_name("out.mp4")
    with pytest.raises(InputError, match="line 1: was made with cover: face, so it cannot cover heads"):
        anonymize_file(clip, out, Settings(mask=MaskConfig(cover="head")), from_masks=masks)
    assert main(["file", str(clip), str(out), "--from-masks", str(masks), "--cover", "head"]) == 2
    assert not out.exists()


def test_a_record_of_heads_stays_one_whatever_the_settings_say(clip: Path, painted: list[bytes]) -> None:
    _, masks = record(clip, Settings(mask=MaskConfig(cover="head")))
    again = clip.with_name("again.jsonl")
    anonymize_file(clip, clip.with_name("again.mp4"), Settings(), from_masks=masks, masks=again)
    assert again.read_bytes() == masks.read_bytes() and painted[:FRAMES] == painted[FRAMES:]


def test_a_line_without_end_is_not_read_whole(clip: Path) -> None:
    masks = clip.with_name("long.jsonl")
    with masks.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(InputError, match="line 1: is longer than 4 MB"):
        anonymize_file(clip, clip.with_name("out.mp4"), from_masks=masks)


def test_numbers_that_are_none(clip: Path) -> None:
    masks = clip.with_name("bad.jsonl")
    masks.write_text(json.dumps(HEADER) + '\n{"frame":0,"cover":"settled","regions":[{"box":[0,0,NaN,1]}]}\n', "utf-8")
    with pytest.raises(InputError, match=r"line 2: regions\.0\.box"):
        anonymize_file(clip, clip.with_name("out.mp4"), from_masks=masks)


def test_another_video_is_refused(clip: Path) -> None:
    _, masks = record(clip)
    other = write_clip(clip.with_name("other.mp4"), CLIPS["panned"]().pictures[:FRAMES])
    with pytest.raises(InputError, match="line 1: was made from another video"):
        anonymize_file(other, clip.with_name("out.mp4"), from_masks=masks)
    header, *frames = lines_of(masks)
    header["input"] = None
    anonymize_file(other, clip.with_name("out.mp4"), from_masks=write_lines(masks, [header, *frames]))


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_a_record_that_is_no_file(clip: Path, kind: str) -> None:
    masks = clip.with_name("masks.jsonl")
    if kind == "folder":
        masks.mkdir()
    elif kind == "pipe":
        os.mkfifo(masks)
    with pytest.raises(InputError, match=r"no such file|not a regular file"):
        anonymize_file(clip, clip.with_name("out.mp4"), from_masks=masks)


def test_rows_for_other_tools(clip: Path) -> None:
    copy, masks = record(clip, Settings(), "masks.csv")
    rows = [row.split(",") for row in masks.read_text("utf-8").splitlines()]
    assert copy.exists() and all(len(row) == 10 and row[7:] == ["-1"] * 3 for row in rows)
    assert min(int(row[0]) for row in rows) >= 1 and min(int(row[1]) for row in rows) == 1
    assert all(float(row[4]) > 10 and float(row[5]) > 10 for row in rows)


def test_a_blanket_frame_is_a_row_as_large_as_the_picture(clip: Path) -> None:
    masks = clip.with_name("masks.csv")
    anonymize_file(clip, clip.with_name("out.mp4"), masks=masks, make_detector=lambda: ScriptedDetector(then="raises"))
    assert masks.read_text("utf-8").splitlines()[0] == "1,-1,0,0,480,360,1,-1,-1,-1"
    assert len(masks.read_text("utf-8").splitlines()) == FRAMES


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("masks.txt", "must end in .jsonl"),
        ("no/masks.jsonl", "does not exist"),
        ("there.jsonl", "exists already"),
        ("folder.jsonl", "is a directory"),
    ],
)
def test_where_a_record_cannot_go(clip: Path, name: str, said: str) -> None:
    clip.with_name("there.jsonl").write_text("mine", "utf-8")
    clip.with_name("folder.jsonl").mkdir()
    with pytest.raises(OutputError, match=said):
        anonymize_file(clip, clip.with_name("out.mp4"), masks=clip.parent / name)
    assert not clip.with_name("out.mp4").exists() and clip.with_name("there.jsonl").read_text("utf-8") == "mine"


def test_a_record_never_replaces_the_one_it_is_painted_from(clip: Path) -> None:
    _, masks = record(clip)
    with pytest.raises(OutputError, match="another file of this job"):
        anonymize_file(clip, clip.with_name("out.mp4"), from_masks=masks, masks=masks, overwrite=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_nothing(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Callable[..., object] = Path.open

    def full(path: Path, mode: str = "r", **options: object) -> object:
        return opened(Path("/dev/full") if ".jsonl." in path.name else path, mode, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(JobError, match=r"masks\.jsonl: the mask record cannot be written"):
        anonymize_file(clip, clip.with_name("out.mp4"), masks=clip.with_name("masks.jsonl"))
    assert [path.name for path in clip.parent.iterdir()] == ["in.mp4"]


def test_an_interrupted_job_leaves_no_record(clip: Path) -> None:
    interrupt = threading.Event()

    def stop(progress: Progress) -> None:
        if progress.frames == 5:
            interrupt.set()

    with pytest.raises(InterruptedJobError):
        anonymize_file(
            clip, clip.with_name("out.mp4"), masks=clip.with_name("m.jsonl"), interrupt=interrupt, on_progress=stop
        )
    assert [path.name for path in clip.parent.iterdir()] == ["in.mp4"]


def test_the_command_line_paints_like_the_record_unless_told_otherwise(clip: Path, painted: list[bytes]) -> None:
    copy, masks, out = (str(clip.with_name(name)) for name in ("a.mp4", "m.jsonl", "b.mp4"))
    assert main(["file", str(clip), copy, "--masks", masks, "--mask", "solid", "--shape", "box"]) == 0
    assert main(["file", str(clip), out, "--from-masks", masks]) == 0
    assert main(["file", str(clip), out, "--from-masks", masks, "--mask", "blur", "--overwrite"]) == 0
    first, second, third = painted[:FRAMES], painted[FRAMES : 2 * FRAMES], painted[2 * FRAMES :]
    assert first == second and len(third) == FRAMES and third != first
