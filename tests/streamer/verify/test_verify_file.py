"""A check of a masked file against its original, on real clips and files."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import numpy.typing as npt
import pytest

from core.geometry import iou
from core.pictures.orientation import Orientation
from core.pictures.planes import BgrImage
from streamer import anonymize_file, verify_file
from streamer.cli.main import main
from streamer.media.display_matrix import matrix_of
from streamer.verify.verify_report import VerifyReport, verify_schema
from tests.rigs.containers import needs_ffmpeg
from tests.rigs.faces import CLIPS, RATE, SIZE, read, shot, write

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")
SCHEMA = Path(__file__).parents[3] / "docs" / "verify.schema.json"
FRAMES = 20
MOVING = [shot(110 + 5 * i, 120 + i, 80) for i in range(FRAMES)]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A clip with a face that moves, its masked copy, and the record of its masks."""
    folder = tmp_path_factory.mktemp("made")
    clip = write(folder / "in.mp4", [picture for picture, _ in MOVING])
    anonymize_file(clip, folder / "out.mp4", masks=folder / "masks.jsonl")
    return clip, folder / "out.mp4", folder / "masks.jsonl"


def painted(path: Path, how: Callable[[BgrImage], npt.ArrayLike]) -> Path:
    """The clip with something done to the area of every face."""
    pictures: list[BgrImage] = []
    for picture, boxes in MOVING:
        out = picture.copy()
        for box in boxes:
            area = box.grown(1.2).clipped(*SIZE)
            where = slice(int(area.y0), int(area.y1)), slice(int(area.x0), int(area.x1))
            out[where] = how(out[where])
        pictures.append(out)
    return write(path, pictures)


def ffmpeg(source: Path, target: Path, *options: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(source), *options, str(target)], check=True, timeout=120)
    return target


def test_a_masked_file_shows_nothing(made: tuple[Path, Path, Path], capsys: Capture) -> None:
    clip, out, _ = made
    assert main(["verify", str(clip), str(out), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_frames_without_their_mask_are_found_with_time_and_box(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    clip, _, masks = made
    header, *frames = [json.loads(line) for line in masks.read_text("utf-8").splitlines()]
    for line in frames[8:13]:
        line["regions"] = []
    edited = tmp_path / "edited.jsonl"
    edited.write_text("".join(json.dumps(line) + "\n" for line in (header, *frames)), "utf-8")
    leaky, report, sheet = tmp_path / "leaky.mp4", tmp_path / "report.json", tmp_path / "sheet.png"
    anonymize_file(clip, leaky, from_masks=edited)
    words = ["verify", str(clip), str(leaky), "--every", "2", "--report", str(report), "--sheet", str(sheet)]
    assert main(words) == 4
    found = json.loads(report.read_text("utf-8"))
    jsonschema.validate(found, json.loads(SCHEMA.read_text("utf-8")))
    assert sorted(f["frame"] for f in found["findings"]) == [8, 10, 12]
    for finding in found["findings"]:
        assert finding["time"] == pytest.approx(finding["frame"] / RATE)
        assert finding["share"] > 0.9 and "yunet" in finding["witnesses"]
        (face,) = MOVING[finding["frame"]][1]
        assert iou(type(face)(*finding["box"]), face) > 0.4
    (moment,) = found["moments"]
    assert (moment["start"], moment["end"], moment["frames"]) == (pytest.approx(0.32), pytest.approx(0.48), 3)
    picture = cv2.imread(str(sheet))
    assert picture is not None and picture.shape[1] >= 3 * 160 and picture.std() > 20
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600, "it shows faces"


def test_what_it_says(made: tuple[Path, Path, Path], capsys: Capture) -> None:
    clip, out, _ = made
    assert main(["verify", str(clip), str(clip.with_name("none.mp4"))]) == 2
    capsys.readouterr()
    assert main(["verify", str(clip), str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == "" and "nothing shows; 4 of 20 frames checked" in said.err


def test_a_copy_of_the_original_is_found_out(made: tuple[Path, Path, Path], tmp_path: Path, capsys: Capture) -> None:
    clip = made[0]
    same = tmp_path / "same.mp4"
    same.write_bytes(clip.read_bytes())
    assert main(["verify", str(clip), str(same)]) == 4
    said = capsys.readouterr()
    assert said.out.startswith("0.00 s to 0.60 s: ") and "100 % visible at " in said.out
    assert "4 face-frames may show" in said.err


def test_a_blurred_face_that_can_be_recognised_is_found(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    kernel = int(80 / 4) | 1
    blurred = painted(tmp_path / "blurred.mp4", lambda face: cv2.GaussianBlur(face, (kernel, kernel), 0))
    assert verify_file(made[0], blurred).findings_total == 4


def test_solid_masks_are_not(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    assert verify_file(made[0], painted(tmp_path / "solid.mp4", np.zeros_like)).findings == []


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("coarse.mp4", ["-c:v", "libx264", "-crf", "35"]),
        ("small.mkv", ["-vf", "scale=320:240", "-c:v", "mpeg4", "-q:v", "4"]),
        ("late.mp4", ["-ss", "0.12", "-c:v", "libx264"]),
        ("shifted.ts", ["-c:v", "libx264", "-output_ts_offset", "7"]),
    ],
    ids=["CRF 35", "another size, codec and container", "three frames less", "other time stamps"],
)
def test_other_tools_copies(made: tuple[Path, Path, Path], tmp_path: Path, name: str, options: Sequence[str]) -> None:
    """A masked file stays clean, and one that is not masked does not become clean."""
    clip, out, _ = made
    assert verify_file(clip, ffmpeg(out, tmp_path / name, *options)).findings == []
    shown = verify_file(clip, ffmpeg(clip, tmp_path / f"shown-{name}", *options))
    assert shown.findings_total >= 3 and shown.moments[0].share > 0.5


def test_turned_videos_are_compared_upright(tmp_path: Path) -> None:
    """The original carries a rotation tag, the copy was stored upright."""
    turned = [np.ascontiguousarray(np.rot90(picture)) for picture, _ in MOVING[:6]]
    clip = write(tmp_path / "turned.mp4", turned, matrix_of(Orientation(90)))
    upright = write(tmp_path / "upright.mp4", [picture for picture, _ in MOVING[:6]])
    report = verify_file(clip, upright)
    assert report.findings_total == 2
    face = MOVING[0][1][0]
    assert iou(type(face)(*next(f.box for f in report.findings if f.frame == 0)), face) > 0.4


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, made: tuple[Path, Path, Path]) -> Path:
    """A folder of files that cannot be compared with the clip."""
    folder = tmp_path_factory.mktemp("odd")
    pictures = [picture for picture, _ in MOVING]
    write(folder / "long.mp4", pictures * 4)
    write(folder / "wide.mp4", [picture[:200] for picture in pictures])
    write(folder / "turned.mp4", [np.ascontiguousarray(np.rot90(picture)) for picture in pictures])
    noise = np.random.default_rng(5).integers(0, 255, (9, 12, 3)).astype(np.uint8)
    other = np.asarray(cv2.resize(noise, SIZE, interpolation=cv2.INTER_NEAREST), np.uint8)
    write(folder / "other.mp4", [other] * FRAMES)
    (folder / "text.mp4").write_text("no video", "utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.mp4", "does not exist"),
        ("text.mp4", "is a text file"),
        ("long.mp4", "it is 3.2 s long, not 0.8 s"),
        ("wide.mp4", "the pictures have other proportions (480x200, not 480x360)"),
        ("turned.mp4", "it is turned on its side (360x480, not 480x360)"),
        ("other.mp4", "it shows other pictures"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    made: tuple[Path, Path, Path], odd: Path, capsys: Capture, name: str, said: str
) -> None:
    report = odd / "report.json"
    assert main(["verify", str(made[0]), str(odd / name), "--report", str(report), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"veilcast: {odd / name}: ") and said in line and not report.exists()


def test_the_same_file_twice(made: tuple[Path, Path, Path], capsys: Capture) -> None:
    clip = made[0]
    assert main(["verify", str(clip), str(clip)]) == 2
    assert "is the original itself" in capsys.readouterr().err


@needs_ffmpeg
def test_audio_alone(made: tuple[Path, Path, Path], tmp_path: Path, capsys: Capture) -> None:
    sound = tmp_path / "sound.m4a"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=1", str(sound)], check=True, timeout=60)
    assert main(["verify", str(made[0]), str(sound), "--quiet"]) == 2
    assert "has audio but no video" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--every", "0"], ["--every", "x"], ["--every", "1.5"]])
def test_every_is_a_whole_number(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["verify", "a.mp4", "b.mp4", *words])
    assert stop.value.code == 2 and "is not a whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sheet", "{0}/sheet.jpg"], "must end in .png"),
        (["--sheet", "{0}/in.mp4"], "must end in .png"),
        (["--report", "{0}/in.mp4"], "is a video of this job"),
        (["--report", "{0}/nowhere/r.json"], "does not exist"),
    ],
)
def test_targets_are_checked_before_anything_is_done(
    made: tuple[Path, Path, Path], capsys: Capture, words: list[str], said: str
) -> None:
    clip, out, _ = made
    assert main(["verify", str(clip), str(out), *(word.format(clip.parent) for word in words)]) == 1
    assert said in capsys.readouterr().err


def test_an_empty_sheet_says_so(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    clip, out, _ = made
    verify_file(clip, out, every=10, sheet=tmp_path / "sheet.png")
    picture = cv2.imread(str(tmp_path / "sheet.png"))
    assert picture is not None and 0 < picture.mean() < 20


def test_the_published_schema(made: tuple[Path, Path, Path]) -> None:
    assert SCHEMA.read_text("utf-8") == verify_schema()
    jsonschema.Draft202012Validator.check_schema(json.loads(verify_schema()))
    assert issubclass(VerifyReport, object)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zoomed", "turned", "entering", "carphone"])
def test_masked_clips_give_no_findings(tmp_path: Path, name: str) -> None:
    clip = write(tmp_path / "in.mp4", CLIPS[name]().pictures)
    anonymize_file(clip, tmp_path / "out.mp4")
    assert verify_file(clip, tmp_path / "out.mp4").findings == []
    assert verify_file(clip, write(tmp_path / "again.mp4", read(clip))).findings_total > 3
