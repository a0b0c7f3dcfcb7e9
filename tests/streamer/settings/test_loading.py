"""Configuration: presets and files are read, and what cannot be meant is refused by name in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from core.config import MaskConfig, ScaleConfig, ZoneConfig
from core.detect.registry import DETECTORS
from streamer.errors import ConfigError
from streamer.settings.file import Settings
from streamer.settings.loading import load, parse, presets


def test_presets_are_there() -> None:
    assert {"camera", "crowd", "meeting"} <= set(presets())


@pytest.mark.parametrize("name", presets())
def test_every_preset_loads_and_changes_something(name: str) -> None:
    settings = load(name)
    assert settings.fingerprint() != Settings().fingerprint()
    assert settings.detect.detector in DETECTORS


@pytest.mark.parametrize("name", presets())
def test_a_copy_of_a_preset_is_the_same_as_the_preset(name: str, tmp_path: Path) -> None:
    import configs

    text = Path(configs.__file__).with_name(f"{name}.yaml").read_text("utf-8")
    (tmp_path / "own.yaml").write_text(text, "utf-8")
    assert load(str(tmp_path / "own.yaml")) == load(name)


def test_nothing_said_means_the_defaults() -> None:
    assert (
        load(None)
        == Settings()
        == parse("", Path("empty.yaml"), Settings)
        == parse("# nothing\n", Path("empty.yaml"), Settings)
    )


def test_a_file_says_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "mask: {style: solid, color: [10, 20, 30]}\n"
        "detect:\n  scales:\n    - {long_side: 320}\n    - {long_side: 960, every: 3, rows: 2, columns: 2}\n"
        "zones:\n  - points: [[0, 0], [0.5, 0], [0.5, 0.5]]\n"
        "encoder: {crf: 25}\n",
        "utf-8",
    )
    settings = load(str(path))
    assert settings.mask == MaskConfig(style="solid", color=(10, 20, 30))
    assert settings.detect.scales == (
        ScaleConfig(long_side=320),
        ScaleConfig(long_side=960, every=3, rows=2, columns=2),
    )
    assert settings.zones == (ZoneConfig(points=((0, 0), (0.5, 0), (0.5, 0.5))),)
    assert settings.encoder.crf == 25 and settings.track == Settings().track


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("masks: {}", ["masks"], id="unknown section"),
        pytest.param("mask: {stile: blur}", ["mask.stile"], id="unknown key"),
        pytest.param("mask: {style: glitter}", ["mask.style", "blur"], id="unknown choice"),
        pytest.param("mask: {cells: 7}", ["mask.cells", "6"], id="more detail than may be left"),
        pytest.param("mask: {cells: many}", ["mask.cells"], id="word for a number"),
        pytest.param("mask: {color: [0, 0, 256]}", ["mask.color.2", "255"], id="colour"),
        pytest.param("track: {margin: 0.5}", ["track.margin", "1"], id="mask smaller than the face"),
        pytest.param("track: {hold: -1}", ["track.hold", "0"], id="negative time"),
        pytest.param("track: {hold: .nan}", ["track.hold"], id="no number"),
        pytest.param("track: {new_track_score: 1.5}", ["track.new_track_score", "1"], id="score"),
        pytest.param("sample: {max_interval: .inf}", ["sample.max_interval"], id="infinite"),
        pytest.param("timeline: {detector_timeout: 0}", ["timeline.detector_timeout"], id="no time at all"),
        pytest.param("detect: {detector: eyes}", ["detect.detector", "eyes", "yunet"], id="unknown detector"),
        pytest.param("detect: {scales: [{long_side: 5}]}", ["detect.scales.0.long_side", "64"], id="scale"),
        pytest.param("zones: [{points: [[0, 0], [1, 1]]}]", ["zones.0.points", "3"], id="line for a zone"),
        pytest.param("zones: [{points: [[0, 0], [9, 0], [9, 9]]}]", ["zones.0", "fractions"], id="pixels"),
        pytest.param("encoder: {crf: 99}", ["encoder.crf"], id="quality"),
        pytest.param("file: {audio: louder}", ["file.audio"], id="sound"),
        pytest.param("mask: {cells: 7}\ntrack: {margin: 0}", ["line 1: mask.cells", "1 more"], id="two mistakes"),
        pytest.param("just words", ["top level"], id="no mapping"),
        pytest.param("- a\n- b", ["top level"], id="a list"),
        pytest.param("mask: [", ["not YAML", "line"], id="not YAML"),
        pytest.param("mask: !!python/object/apply:os.getcwd []", ["not YAML"], id="YAML that runs code"),
    ],
)
def test_mistakes_are_one_line_that_names_file_and_key(text: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as error:
        load(str(path))
    line = str(error.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    assert all(word in line for word in words), line


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xfe\x00\x01")
    for name, word in (("gone.yaml", "no such file"), ("picture.yaml", "cannot be read"), (".", "cannot be read")):
        with pytest.raises(ConfigError, match=word) as error:
            load(str(tmp_path / name))
        assert str(error.value).startswith(str(tmp_path)) and "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="those are camera, crowd, fast, meeting"):
        load("metting")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().mask.style = "solid"  # type: ignore[misc]


def test_fingerprint_tells_every_choice_apart() -> None:
    texts = ("", "mask: {cells: 4}", "mask: {outline: true}", "track: {hold: 0.31}", "file: {audio: drop}")
    prints = [parse(text, Path("x"), Settings).fingerprint() for text in texts]
    assert len(set(prints)) == len(texts)
    assert prints[0] == Settings().fingerprint() == parse("mask: {}", Path("y"), Settings).fingerprint()
