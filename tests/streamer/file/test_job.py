"""From file to file, on real faces whose place is known: nothing shows, nothing else is touched, nothing is lost."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from core.detect import yunet
from core.detect.detection import Detection, Detector
from core.detect.model_files import CENTERFACE, YUNET
from core.pictures.orientation import Orientation
from core.pictures.planes import BgrImage
from streamer import OutputError, Progress, Report, Settings, anonymize_file
from streamer.batch.run import DEGRADED
from streamer.cli.main import main
from streamer.file.report import schema, write
from streamer.media.display_matrix import matrix_of
from streamer.settings.encoder import EncoderConfig
from tests.rigs.containers import main_video, needs_ffmpeg, plain, video_times
from tests.rigs.faces import CLIPS, Clip, panned, read_grey, shot
from tests.rigs.faces import write as write_clip
from tests.rigs.fakes import ScriptedDetector
from tests.rigs.leaks import leaks, untouched_share, visible_share

SCHEMA = Path(__file__).parents[3] / "docs" / "report.schema.json"
ONE_DETECTOR = {"detect": {"second": {"detector": "none"}}}
"""For tests that count faces: what the second detector finds by itself is another track."""

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")


@functools.cache
def clip_named(name: str) -> Clip:
    return CLIPS[name]()


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A second of a face that moves."""
    return write_clip(tmp_path / "short.mp4", clip_named("panned").pictures[:25])


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_no_face_shows_and_the_rest_stays(name: str, tmp_path: Path) -> None:
    clip = clip_named(name)
    source, target = write_clip(tmp_path / "in.mp4", clip.pictures), tmp_path / "out.mp4"
    report = anonymize_file(source, target)
    before, after = read_grey(source), read_grey(target)
    assert report.frames == len(before) == len(after) == len(clip.pictures)
    assert leaks(before, before, clip.faces) == [i for i, boxes in enumerate(clip.faces) if boxes], "the judge is blind"
    assert leaks(before, after, clip.faces) == []
    untouched = [untouched_share(a, b, boxes) for a, b, boxes in zip(before, after, clip.faces, strict=True)]
    assert np.mean(untouched) > 0.95
    assert report.faces >= 1 and not report.warnings
    assert report.seconds.blanket == report.seconds.held == 0, "a file is settled throughout, up to both sides of a cut"


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    "orientation", [Orientation(90), Orientation(180), Orientation(270), Orientation(90, flip=True)], ids=str
)
def test_a_phone_held_any_way_up(orientation: Orientation, tmp_path: Path) -> None:
    """The coded picture lies on its side; only the display matrix says which way up it is meant."""
    clip = clip_named("panned")
    pictures = [_coded(picture, orientation) for picture in clip.pictures[:16]]
    height, width = pictures[0].shape[:2]
    faces = [[orientation.to_coded(box, width, height) for box in boxes] for boxes in clip.faces[:16]]
    source = write_clip(tmp_path / "in.mp4", pictures, matrix_of(orientation))
    target = tmp_path / "out.mp4"
    report = anonymize_file(source, target)
    before, after = read_grey(source), read_grey(target)
    assert leaks(before, after, faces) == [] and leaks(before, before, faces) == list(range(16))
    untouched = [untouched_share(a, b, boxes) for a, b, boxes in zip(before, after, faces, strict=True)]
    assert np.mean(untouched) > 0.95
    assert report.frames == 16
    assert main_video(target)["side_data_list"] == main_video(source)["side_data_list"]


def _coded(picture: BgrImage, orientation: Orientation) -> BgrImage:
    """The picture that `orientation` turns upright."""
    back = np.rot90(picture, orientation.turn // 90)  # counter-clockwise
    return np.ascontiguousarray(back[:, ::-1] if orientation.flip else back)


def test_a_face_for_a_single_frame_between_cuts(tmp_path: Path) -> None:
    scene = [shot(240, 4000, 80)[0]] * 12  # the face lies far below the picture
    flash, faces = shot(240, 160, 100)
    pictures, truth = [*scene, flash, *scene], [*([[]] * 12), faces, *([[]] * 12)]
    source = write_clip(tmp_path / "in.mp4", pictures)
    anonymize_file(source, tmp_path / "out.mp4")
    before, after = read_grey(source), read_grey(tmp_path / "out.mp4")
    assert visible_share(before[12], before[12], faces[0]) > 0.9
    assert leaks(before, after, truth) == []


@pytest.mark.slow
def test_jobs_side_by_side_do_not_mix(tmp_path: Path) -> None:
    names = ("panned", "turned")
    sources = [write_clip(tmp_path / f"{name}.mp4", clip_named(name).pictures[:20]) for name in names]
    # The fastest preset, for otherwise libx264's macroblock tree gives other bits now and then on CPUs with AVX-512.
    settings = Settings(encoder=EncoderConfig(preset="ultrafast"))
    alone = [anonymize_file(source, source.with_suffix(".alone.mp4"), settings) for source in sources]
    together: dict[int, Report] = {}
    start = threading.Barrier(len(names))

    def job(index: int) -> None:
        start.wait(20)
        together[index] = anonymize_file(sources[index], sources[index].with_suffix(".together.mp4"), settings)

    threads = [threading.Thread(target=job, args=(index,)) for index in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[i].output.sha256 for i in range(len(names))] == [report.output.sha256 for report in alone]


@pytest.mark.slow
def test_default_target_is_beside_the_source(short: Path) -> None:
    report = anonymize_file(str(short))
    assert report.output.path == str(short.with_name("short.masked.mp4"))
    assert report.second_weights is not None and report.second_weights.sha256 == CENTERFACE.sha256
    assert sorted(path.name for path in short.parent.iterdir()) == ["short.masked.mp4", "short.mp4"]


def test_every_frame_is_reported_as_progress(short: Path) -> None:
    seen: list[Progress] = []
    anonymize_file(short, settings=Settings.model_validate(ONE_DETECTOR), on_progress=seen.append)
    assert [progress.frames for progress in seen] == list(range(1, 26))
    assert [round(progress.media_time * 25) for progress in seen] == list(range(25))
    assert seen[-1].frames_expected == 25 and seen[-1].duration == pytest.approx(1) and seen[-1].faces == 1


def test_report(short: Path, tmp_path: Path) -> None:
    target, path = tmp_path / "out.mp4", tmp_path / "report.json"
    settings = Settings.model_validate({"file": {"audio": "drop"}, **ONE_DETECTOR})
    write(anonymize_file(short, target, settings), path)
    said = json.loads(path.read_text("utf-8"))
    jsonschema.validate(said, json.loads(SCHEMA.read_text("utf-8")))
    for name, file in (("input", short), ("output", target)):
        data = file.read_bytes()
        assert said[name] == {"path": str(file), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert said["frames"] == 25 and said["faces"] == 1 and said["samples"] > 0 and said["failed_samples"] == 0
    assert said["seconds"] == {"settled": 1.0, "held": 0.0, "blanket": 0.0}
    assert said["weights"]["sha256"] == YUNET.sha256
    assert said["second_weights"] is None
    assert said["config_sha256"] == settings.fingerprint() != Settings().fingerprint()
    assert said["audio"] == "none" and said["warnings"] == []
    assert set(said["versions"]) >= {"av", "numpy", "onnxruntime", "opencv"}


def test_published_schema_is_the_schema() -> None:
    assert SCHEMA.read_text("utf-8") == schema()


def _missing() -> Detector:
    raise RuntimeError("no such detector")


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda: ScriptedDetector(then="raises"), "RuntimeError: broken detector", id="always raises"),
        pytest.param(lambda: ScriptedDetector(then="nan"), "invalid boxes", id="always nan"),
        pytest.param(lambda: ScriptedDetector(then="too few"), "ValueError", id="answers too little"),
        pytest.param(_missing, "RuntimeError: no such detector", id="cannot be made"),
    ],
)
def test_without_a_detector_every_frame_is_there_and_blanket(
    make: Callable[[], Detector], said: str, short: Path, tmp_path: Path
) -> None:
    warned: list[str] = []
    target = tmp_path / "out.mp4"
    report = anonymize_file(short, target, make_detector=make, on_warning=warned.append)
    assert report.frames == 25 and report.faces == 0
    assert report.failed_samples == report.samples > 0
    assert (report.seconds.settled, report.seconds.held, report.seconds.blanket) == (0, 0, 1)
    assert [said in line for line in report.warnings] == [True] and warned
    assert video_times(target) == video_times(short)
    whole = panned().faces[0][0].grown(3)
    assert all(visible_share(a, b, whole) < 0.02 for a, b in zip(read_grey(short), read_grey(target), strict=True))


class Moody:
    """A real detector that fails every third time."""

    name = "moody"

    def __init__(self) -> None:
        self._real, self._calls = yunet.YuNet(), 0

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        self._calls += 1
        if self._calls % 3 == 0:
            raise RuntimeError("not now")
        return self._real.detect(pictures)


@pytest.mark.slow
def test_a_detector_that_fails_now_and_then_leaks_nothing(short: Path, tmp_path: Path) -> None:
    report = anonymize_file(short, tmp_path / "out.mp4", make_detector=Moody)
    assert report.weights is report.second_weights is None, "nobody knows what a detector of one's own uses"
    jsonschema.validate(json.loads(report.model_dump_json(by_alias=True)), json.loads(SCHEMA.read_text("utf-8")))
    assert 0 < report.failed_samples < report.samples and report.frames == 25
    assert report.seconds.blanket < 1, "one failure is no reason to mask everything"
    assert leaks(read_grey(short), read_grey(tmp_path / "out.mp4"), clip_named("panned").faces[:25]) == []


def test_missing_weights_are_said_and_nothing_shows(
    short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(yunet, "YUNET", dataclasses.replace(YUNET, path="weights/gone.onnx"))
    assert main(["file", str(short), "--report", str(short.with_suffix(".json"))]) == DEGRADED == 3
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("warning:") and "weights/gone.onnx" in line]
    report = json.loads(short.with_suffix(".json").read_text("utf-8"))
    assert report["seconds"] == {"settled": 0.0, "held": 0.0, "blanket": 1.0} and report["frames"] == 25


@pytest.mark.slow
def test_trouble_on_the_way_leaves_no_file(short: Path, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.frames == 10:
            raise OutputError(tmp_path / "out.mp4", "the disk is full")

    with pytest.raises(OutputError, match="the disk is full"):
        anonymize_file(short, tmp_path / "out.mp4", on_progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["short.mp4"]


@pytest.mark.slow
def test_no_thread_outlives_a_job(short: Path) -> None:
    before = set(threading.enumerate())
    anonymize_file(short)
    assert set(threading.enumerate()) <= before


@needs_ffmpeg
def test_a_picture_without_anything_in_it(tmp_path: Path) -> None:
    report = anonymize_file(plain(tmp_path / "in.mp4"))
    assert report.frames == 15 and report.seconds.blanket == 0 and report.audio == "keep"
