"""Options that `file` and `live` share: defined once, and with the same effect on both."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from core.config import DetectConfig, EngineConfig
from streamer.cli.file_options import FILE, file_settings
from streamer.cli.live_options import LIVE, live_settings
from streamer.cli.main import main, parser
from streamer.cli.service.options import serve_settings
from streamer.errors import ConfigError
from streamer.settings.file import Settings
from streamer.settings.live import LiveSettings
from streamer.settings.loading import about_presets, load, presets
from tests.rigs.faces import carphone, read_grey, write

Capture = pytest.CaptureFixture[str]


def for_file(*arguments: str) -> Settings:
    return file_settings(parser().parse_args(["file", "in.mp4", *arguments]))


def for_live(*arguments: str) -> LiveSettings:
    return live_settings(parser().parse_args(["live", "x", "--rtsp", "1", *arguments]), {})


def engines(*arguments: str) -> tuple[EngineConfig, EngineConfig]:
    live = for_live(*arguments)
    return for_file(*arguments), live.engine(live.live.streams[0])


def test_masks_and_detectors_are_chosen_alike() -> None:
    for engine in engines("--mask", "solid", "--cover", "head", "--shape", "box", "--detector", "mediapipe"):
        assert (engine.mask.style, engine.mask.shape, engine.detect.detector) == ("solid", "box", "mediapipe")
        assert engine.mask.cover == "head"
    for engine in engines():
        assert engine.mask.cover == "face"
        assert (engine.mask.style, engine.mask.shape, engine.detect.detector) == ("veil", "ellipse", "yunet")


def test_another_detector_than_a_preset_s_has_its_own_scales() -> None:
    for engine in engines("--config", "crowd", "--detector", "mediapipe"):
        assert engine.detect == DetectConfig(detector="mediapipe", follow_up=load("crowd").detect.follow_up)
    for engine in engines("--config", "crowd"):
        assert engine.detect.scales == load("crowd").detect.scales != ()


def test_the_encoder_of_each_is_told() -> None:
    arguments = ("--crf", "33.5", "--preset", "faster", "--codec", "h264")
    file, live = for_file(*arguments).encoder, for_live(*arguments).live.encoder
    assert (file.crf, file.preset, file.codec) == (33.5, "faster", "h264")
    assert (live.crf, live.preset) == (33.5, "faster")
    assert (for_live().live.encoder.crf, for_file().encoder.crf) == (23, 20)


@pytest.mark.parametrize("own", ["mask: {style: mosaic, cells: 3}", "zones: []"])
def test_a_mask_on_the_command_line_is_for_all_cameras(own: str, tmp_path: Path) -> None:
    """Also for one that the file gives a mask of its own."""
    text = f"live: {{rtsp: '1', streams: [{{name: a, source: x}}, {{name: b, source: y, {own}}}]}}"
    (tmp_path / "c.yaml").write_text(text, "utf-8")
    options = parser().parse_args(["live", "--config", str(tmp_path / "c.yaml"), "--mask", "solid"])
    settings = live_settings(options, {})
    masks = [settings.engine(stream).mask for stream in settings.live.streams]
    assert [mask.style for mask in masks] == ["solid", "solid"]
    assert masks[1].cells == (3 if "cells" in own else 2), "what the command line does not say stays"


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (["--codec", "hevc"], "argument --codec: live streams are always h264, which every browser"),
        (["--preset", "veryslow"], "argument --preset: invalid choice: 'veryslow'"),
        (["--crf", "52"], "argument --crf: '52' is not a number from 0 to 51"),
        (["--mask", "glitter"], "argument --mask: invalid choice"),
        (["--detector", "eyes"], "argument --detector: invalid choice"),
        (["--shape", "star"], "argument --shape: invalid choice"),
    ],
)
def test_what_a_live_stream_cannot_do_is_said(option: list[str], says: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["live", "x", "--rtsp", "1", *option])
    assert stop.value.code == 2 and says in capsys.readouterr().err


def help_of(command: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ["file", "live"])
def test_presets_are_explained(command: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    said = help_of(command, capsys, monkeypatch)
    for name in presets():
        first = Path(f"configs/{name}.yaml").read_text("utf-8").splitlines()[0]
        assert first.startswith("# ") and 30 < len(first) < 110
        assert f"  {name:7} {first.removeprefix('#')}\n" in said and about_presets()[name] == first[2:]


@pytest.mark.parametrize(
    ("command", "defaults"),
    [
        ("file", {"--mask": "veil", "--crf": "20", "--preset": "veryfast", "--audio": "keep"}),
        ("live", {"--mask": "veil", "--crf": "23", "--preset": "superfast", "--audio": "drop", "--look-ahead": "0.2"}),
    ],
)
def test_help_names_the_defaults(
    command: str, defaults: dict[str, str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = help_of(command, capsys, monkeypatch).split("\noptions:")[1]
    for flag, default in defaults.items():
        assert f"(default: {default})" in text.split(f"  {flag} ")[1].split("\n  --")[0]


def test_every_option_stands_for_a_setting_that_there_is() -> None:
    for table, settings in ((FILE, Settings()), (LIVE, LiveSettings())):
        for option in table:
            value: object = settings
            for name in (*option.loc, *(key for key, _ in option.also)):
                value = getattr(settings if "." in name else value, name.split(".")[0])
    shared = {option.flag for option in FILE} & {option.flag for option in LIVE}
    assert {"--mask", "--cover", "--shape", "--detector", "--crf", "--preset", "--audio"} == shared


def test_settings_that_do_not_fit_together_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("live: {streams: [{name: a, source: x}]}", "utf-8")
    with pytest.raises(ConfigError, match="lists streams already: give a source there or here, not both"):
        for_live("--config", str(tmp_path / "c.yaml"))


def test_a_user_comes_with_a_password_from_the_same_place(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("live: {rtsp_access: {user: me, password: a}}", "utf-8")
    options = parser().parse_args(["live", "x", "--rtsp", "1", "--config", str(tmp_path / "c.yaml")])
    with pytest.raises(ConfigError, match="user and password come together"):
        live_settings(options, {"VEILCAST_RTSP_USER": "you"})
    access = live_settings(options, {"VEILCAST_RTSP_USER": "you", "VEILCAST_RTSP_PASSWORD": "b"}).live.rtsp_access
    assert access.user == "you" and access.password is not None and access.password.get_secret_value() == "b"
    assert live_settings(options, {"VEILCAST_RTSP_USER": "", "VEILCAST_TOKEN": ""}).live.rtsp_access.user == "me"


def test_the_service_takes_the_rtsp_login_and_keeps_its_token_out_of_the_settings() -> None:
    options = parser().parse_args(["serve"])
    given = {"VEILCAST_RTSP_USER": "you", "VEILCAST_RTSP_PASSWORD": "b", "VEILCAST_TOKEN": "an admin's long secret"}
    live = serve_settings(options, given).live
    assert live.rtsp_access.user == "you" and live.rtsp_access.password is not None and live.web.token is None
    with pytest.raises(ConfigError, match="user and password come together"):
        serve_settings(options, {"VEILCAST_RTSP_USER": "you"})
    assert serve_settings(options, {"VEILCAST_TOKEN": "short"}) == serve_settings(options, {})


def test_a_name_is_refused_by_the_option_that_gave_it() -> None:
    with pytest.raises(ConfigError, match="options: --rtsp: 'api' cannot be a stream's name"):
        for_live("--rtsp", "8554/api")
    with pytest.raises(ConfigError, match="options: --name: 'api' cannot be a stream's name"):
        for_live("--rtsp", "8554/door", "--name", "api")


def test_no_abbreviation_of_an_option_has_another_meaning() -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["file", "in.mp4", "--pr", "json"])


def test_a_parser_of_ones_own_can_take_them() -> None:
    own = argparse.ArgumentParser()
    for option in FILE:
        option.add_to(own, Settings)
    assert vars(own.parse_args([])) == {option.dest: None for option in FILE}


def test_a_live_stream_is_masked_and_encoded_as_asked(tmp_path: Path) -> None:
    clip = carphone()
    source = write(tmp_path / "in.mp4", clip.pictures)
    asked = ["--mask", "solid", "--shape", "box", "--crf", "31", "--preset", "ultrafast", "--codec", "h264"]
    command = [sys.executable, "-m", "streamer.cli.entry", "live", str(source), "--record", str(tmp_path), *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (recording,) = (tmp_path / "camera").iterdir()
    assert b"crf=31.0" in recording.read_bytes(), "x264 writes what it was told into the stream"
    shown, face = read_grey(recording)[-1], clip.faces[-1][0]
    inside = shown[int(face.y0) : int(face.y1), int(face.x0) : int(face.x1)]
    assert inside.max() < 40, "a solid box over all of the face; the default leaves a few grey averages"
