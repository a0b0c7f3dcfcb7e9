"""What the command line and the environment say goes on top of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.errors import ConfigError
from streamer.settings.live import LiveSettings
from streamer.settings.loading import parse
from streamer.settings.overlay import Override, overlaid

FILE = (
    "mask: {style: solid, cells: 3}\ntrack: {hold: 0.5}\nlive: {rtsp: '1', rtsp_access: {user: me, password: secret}}"
)


def base() -> LiveSettings:
    return parse(FILE, Path("own.yaml"), LiveSettings)


def test_only_what_is_said_changes() -> None:
    settings = overlaid(base(), [Override(("mask", "style"), "mosaic", "--mask")])
    assert (settings.mask.style, settings.mask.cells, settings.track.hold) == ("mosaic", 3, 0.5)
    assert settings.live == base().live
    # What nobody has said still counts as not said: defaults of live streams depend on it.
    assert settings.track.model_fields_set == {"hold"} and settings.sample.model_fields_set == set()
    assert overlaid(base(), []) == base()


def test_sections_and_lists_that_are_not_there_begin() -> None:
    said = [
        Override(("live", "streams", 0, "name"), "door", "--name"),
        Override(("live", "streams", 0, "source"), "rtsp://u:p@cam", "source"),
        Override(("live", "source", "loop"), True, "--loop"),
    ]
    for text in (FILE, "", "live: {streams: []}"):
        settings = overlaid(parse(text, Path("own.yaml"), LiveSettings), said)
        (stream,) = settings.live.streams
        assert stream.name == "door" and stream.source.get_secret_value() == "rtsp://u:p@cam"
        assert settings.live.source.loop


def test_an_item_of_a_list_changes_and_the_others_stay() -> None:
    text = "live: {streams: [{name: a, source: x}, {name: b, source: y, mask: {style: solid}}]}"
    settings = parse(text, Path("own.yaml"), LiveSettings)
    changed = overlaid(settings, [Override(("live", "streams", 1, "mask", "style"), "mosaic", "--mask")])
    first, second = changed.live.streams
    assert first == settings.live.streams[0] and second.mask is not None and second.mask.style == "mosaic"


def test_what_is_wrong_has_the_name_that_the_user_knows() -> None:
    said = [
        Override(("live", "web", "token"), "short", "VEILCAST_TOKEN"),
        Override(("live", "rtsp"), "nonsense", "--rtsp"),
        Override(("mask", "style"), "glitter", "--mask"),
    ]
    with pytest.raises(ConfigError) as error:
        overlaid(base(), said)
    assert sorted(error.value.lines) == [
        "options: --mask: must be veil, blur, mosaic or solid, not 'glitter'",
        "options: --rtsp: 'nonsense' is not an address to listen on; write [HOST:]PORT[/NAME]",
        "options: VEILCAST_TOKEN: must have at least 8 characters",
    ]
    assert "(and 2 more)" in str(error.value) and "\n" not in str(error.value)


def test_what_only_two_together_make_wrong_has_the_name_of_the_setting() -> None:
    with pytest.raises(ConfigError, match=r"options: live.rtsp_access: user must not be empty"):
        overlaid(base(), [Override(("live", "rtsp_access", "user"), "a:b", "VEILCAST_RTSP_USER")])


def test_a_detector_that_does_not_exist() -> None:
    with pytest.raises(
        ConfigError, match="options: --detector: must be centerface, mediapipe, mediapipe-short or yunet, not 'eye'"
    ):
        overlaid(base(), [Override(("detect", "detector"), "eye", "--detector")])
