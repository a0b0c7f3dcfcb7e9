"""What is said of wrong settings: plain words, all of it, and no secrets."""

from __future__ import annotations

import math
import time

import pytest
from pydantic import ValidationError

from streamer.settings.file import Settings
from streamer.settings.live import LiveSettings
from streamer.settings.problems import MOST, Problem, problems_of

SECRET = "topsecret"


def said(data: object, kind: type[Settings] = LiveSettings) -> list[str]:
    with pytest.raises(ValidationError) as error:
        kind.model_validate(data)
    return [str(problem) for problem in problems_of(error.value, kind)]


def stream(**values: object) -> dict[str, object]:
    return {"live": {"streams": [{"name": "door", "source": "x", **values}]}}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"track": {"hold": -1}}, "track.hold: must be 0 or more, not -1"),
        ({"mask": {"cells": 7}}, "mask.cells: must be 6 or less, not 7"),
        ({"track": {"margin": 0.5}}, "track.margin: must be 1 or more, not 0.5"),
        ({"live": {"recording": {"keep_hours": 0}}}, "live.recording.keep_hours: must be more than 0, not 0"),
        ({"mask": {"soft_edge": 1}}, "mask.soft_edge: must be 0.5 or less, not 1"),
        ({"track": {"hold": math.nan}}, "track.hold: must be 60 or less, not .nan"),
        ({"track": {"hold": math.inf}}, "track.hold: must be 60 or less, not .inf"),
        ({"mask": {"cells": 10**5000}}, "mask.cells: must be 6 or less"),
        ({"mask": {"cells": 2.5}}, "mask.cells: must be a whole number, not 2.5"),
        ({"mask": {"cells": "many"}}, "mask.cells: must be a whole number, not 'many'"),
        ({"mask": {"cells": None}}, "mask.cells: must be a whole number, not nothing"),
        ({"mask": {"cells": [2]}}, "mask.cells: must be a whole number, not a list"),
        ({"encoder": {"crf": "x" * 99}}, f"encoder.crf: must be a number, not '{'x' * 40}...'"),
        ({"mask": {"outline": "perhaps"}}, "mask.outline: must be true or false, not 'perhaps'"),
        ({"mask": {"style": "glitter"}}, "mask.style: must be veil, blur, mosaic or solid, not 'glitter'"),
        ({"encoder": {"codec": "vp8"}}, "encoder.codec: must be h264 or hevc, not 'vp8'"),
        ({"file": {"audio": False}}, "file.audio: must be keep, drop or disguise, not false"),
        ({"mask": {"stile": "blur"}}, "mask.stile: there is no option 'stile'; did you mean 'style'?"),
        ({"masks": {}}, "masks: there is no option 'masks'; did you mean 'mask'?"),
        ({"crf": 20}, "crf: there is no option 'crf' here; did you mean 'encoder.crf'?"),
        (
            {"file": {"xyz": 1}},
            "file.xyz: there is no option 'xyz'; there are: audio, keep_metadata, copy_untouched, max_size, memory_mb",
        ),
        (stream(zonse=[]), "live.streams.0.zonse: there is no option 'zonse'; did you mean 'zones'?"),
        ({"mask": {1: 2}}, "mask.1: option names must be text"),
        ({"mask": 3}, "mask: must be a section with keys of its own, not a number"),
        ({"mask": None}, "mask: must be a section with keys of its own, not nothing"),
        ("words", "the top level: must be a section with keys of its own, not text"),
        (["a"], "the top level: must be a section with keys of its own, not a list"),
        ({"zones": {}}, "zones: must be a list, not a section"),
        ({"zones": [{}]}, "zones.0.points: is missing"),
        ({"zones": [{"points": [[0, 0], [1, 1]]}]}, "zones.0.points: must have at least 3 values, not 2"),
        ({"mask": {"color": []}}, "mask.color: must have 3 values, not 0"),
        ({"mask": {"color": [0, 0, 0, 0]}}, "mask.color: must have 3 values, not 4"),
        ({"mask": {"color": [0, 0, 256]}}, "mask.color.2: must be 255 or less, not 256"),
        ({"live": {"rtsp": 8554}}, "live.rtsp: must be text, not 8554: put it in quotes"),
        ({"live": {"record": ["a"]}}, "live.record: must be text, not a list"),
        ({"live": {"web": {"udp_host": "nas"}}}, "live.web.udp_host: must be an IP address, like 192.0.2.7, not 'nas'"),
        ({"live": {"web": {"stun": ["x"]}}}, "live.web.stun.0: must look like stun:stun.example.org:3478"),
        ({"live": {"web": {"origins": ["x"]}}}, "live.web.origins.0: must look like https://page.example.org or *"),
        ({"live": {"rtsp_access": {"user": "me"}}}, "live.rtsp_access: user and password come together"),
        ({"live": {"webrtc": "x"}}, "live.webrtc: 'x' is not an address to listen on; write [HOST:]PORT[/NAME]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_line_in_plain_words(data: object, words: str) -> None:
    assert said(data) == [words]


def test_a_live_section_among_settings_for_files() -> None:
    assert said({"live": {}}, Settings) == ["live: there is no option 'live' for files: it is for veilcast live"]


def test_all_of_it_is_said() -> None:
    data = {"mask": {"cells": 7, "style": "x"}, "zones": [{"points": 3}], "live": {"rtsp": "x"}, "fiel": 1}
    keys = [line.partition(":")[0] for line in said(data)]
    assert keys == ["mask.style", "mask.cells", "zones.0.points", "live.rtsp", "fiel"]


@pytest.mark.parametrize(
    "data",
    [
        {"live": {"web": {"token": SECRET[:6]}}},
        {"live": {"web": {"token": [SECRET]}}},
        {"live": {"web": SECRET}},
        {"live": {"rtsp_access": {"user": "me:x", "password": SECRET}}},
        {"live": {"rtsp_access": {"user": "me", "passwrod": SECRET}}},
        {"live": {"web": {"turn": [{"url": f"turn:u:{SECRET}@x", "user": "u", "password": SECRET}]}}},
        {"live": {"web": {"turn": [{"url": "turn:x", "user": f"{SECRET}\n", "password": SECRET}]}}},
        {"live": {"web": {"stun": f"stun:{SECRET}@x"}}},
        {"live": {"rtsp": f"rtsp://u:{SECRET}@cam/1"}},
        {"live": {"source": {"transport": f"rtsp://u:{SECRET}@cam/1"}}},
        {"live": {"streams": f"rtsp://u:{SECRET}@cam/1"}},
        {"live": {"streams": [f"rtsp://u:{SECRET}@cam/1"]}},
        stream(source=[f"rtsp://u:{SECRET}@cam/1"]),
        stream(push=f"rtsp://u:{SECRET}@cam/1"),
        stream(push=[[f"rtsp://u:{SECRET}@cam/1"]]),
        stream(name=f"rtsp://u:{SECRET}@cam/1"),
        stream(sorce=f"rtsp://u:{SECRET}@cam/1"),
        {f"rtsp://u:{SECRET}@cam/1": 1},
        {"mask": {f"rtsp://u:{SECRET}@cam/1": 1}},
        {"encoder": {"crf": f"rtsp://u:{SECRET}@cam/{'x' * 50}"}},
        {"encoder": {"crf": f"somebody:{SECRET}{'x' * 50}@cam"}},
    ],
    ids=lambda data: str(data).replace(SECRET, "*"),
)
def test_no_secret_is_repeated(data: object) -> None:
    lines = said(data)
    assert lines and SECRET[:6] not in " ".join(lines)


@pytest.mark.parametrize("value", [31415926, True, 2.75])
def test_a_secret_that_is_a_number_is_not_repeated(value: object) -> None:
    data = {"live": {"rtsp_access": {"user": "me", "password": value}}}
    assert said(data) == ["live.rtsp_access.password: must be text: put it in quotes"]


def test_a_file_of_another_kind_is_not_quoted_whole() -> None:
    begun = time.monotonic()
    lines = said({f"option{number}": 1 for number in range(20_000)})
    assert len(lines) == MOST + 1 and lines[-1] == f"the top level: has {20_000 - MOST} more problems"
    assert time.monotonic() - begun < 5


def test_problems_are_values() -> None:
    assert (
        Problem(("mask", "cells"), "x") == Problem(("mask", "cells"), "x") and Problem((), "x").key == "the top level"
    )
