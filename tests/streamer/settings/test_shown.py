"""Settings as text: for people to read and to load again, for tools to check against."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from streamer.errors import ConfigError
from streamer.settings.file import Settings
from streamer.settings.live import LiveSettings
from streamer.settings.loading import load, parse, presets
from streamer.settings.shown import as_schema, as_yaml

SECRETS = """
live:
  rtsp_access: {user: me, password: s3cret-a}
  web: {token: s3cret-b-long, turn: [{url: "turn:x", user: u, password: s3cret-c}]}
  streams:
    - {name: door, source: "rtsp://u:s3cret-d@cam/s3cret-e", push: ["rtsp://u:s3cret-f@nvr/x", "rtsp://s3cret-g/"]}
"""


@pytest.mark.parametrize("name", [None, *presets()])
def test_what_is_shown_means_the_same(name: str | None) -> None:
    settings = load(name)
    assert parse(as_yaml(settings), Path("shown.yaml"), Settings) == settings


@pytest.mark.parametrize(
    "text",
    [
        "",
        *(Path(f"configs/{name}.yaml").read_text("utf-8") for name in presets()),
        "sample: {min_interval: 0.1}\ntrack: {hold: 0.6}",
        "sample: {min_interval: 0.1}\nlive: {min_interval: 0.02}",
        "live: {look_ahead: 0.5, max_mask_age: 0.3, web: {udp_host: '192.0.2.7'}, record: /tmp/x, rtsp: '1/a'}",
        "zones: [{points: [[0, 0], [1, 0], [1, 1]]}]\nmask: {style: solid, color: [1, 2, 3]}",
    ],
)
def test_what_is_shown_of_a_live_service_means_the_same(text: str) -> None:
    settings = parse(text, Path("own.yaml"), LiveSettings)
    again = parse(as_yaml(settings), Path("shown.yaml"), LiveSettings)
    assert again.shared_engine == settings.shared_engine
    same = {"min_interval", "hold"}  # shown as they count
    assert again.live.model_dump(exclude=same) == settings.live.model_dump(exclude=same)


def test_what_counts_is_shown_not_what_is_overridden() -> None:
    """Live streams have defaults of their own, which what a file says for all goes before."""
    settings = parse("sample: {min_interval: 0.1}", Path("own.yaml"), LiveSettings)
    shown = yaml.safe_load(as_yaml(settings))
    assert shown["sample"]["min_interval"] == shown["live"]["min_interval"] == 0.1
    assert shown["track"]["hold"] == shown["live"]["hold"] == settings.live.hold
    assert shown["timeline"].keys() == {"memory_mb"}


def test_secrets_are_hidden() -> None:
    settings = parse(SECRETS, Path("own.yaml"), LiveSettings)
    text = as_yaml(settings)
    assert "s3cret" not in text and text.startswith("# *** is a secret that is not shown.\n")
    live = yaml.safe_load(text)["live"]
    assert live["streams"][0] | {"mask": 0, "zones": 0} == {
        "name": "door",
        "source": "***",
        "push": ["***", "***"],
        "mask": 0,
        "zones": 0,
    }
    assert live["web"]["token"] == live["rtsp_access"]["password"] == live["web"]["turn"][0]["password"] == "***"
    assert "***" not in as_yaml(LiveSettings())


def test_hidden_secrets_do_not_become_passwords() -> None:
    shown = as_yaml(parse(SECRETS.replace("token: s3cret-b-long, ", ""), Path("own.yaml"), LiveSettings))
    with pytest.raises(ConfigError) as error:
        parse(shown, Path("shown.yaml"), LiveSettings)
    lines = [line.split(": ")[2] for line in error.value.lines]
    streams = [f"live.streams.0.{key}" for key in ("source", "push.0", "push.1")]
    assert lines == [*streams, "live.rtsp_access.password", "live.web.turn.0.password"]
    assert all("stands for a secret that was not shown" in line for line in error.value.lines)


def schema(kind: type[Settings]) -> jsonschema.Draft202012Validator:
    found = json.loads(as_schema(kind))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("kind", [Settings, LiveSettings])
@pytest.mark.parametrize("name", presets())
def test_the_schema_takes_presets(name: str, kind: type[Settings]) -> None:
    schema(kind).validate(yaml.safe_load(Path(f"configs/{name}.yaml").read_text("utf-8")))


def test_the_schema_takes_what_is_shown() -> None:
    schema(Settings).validate(yaml.safe_load(as_yaml(Settings())))
    secrets = SECRETS.replace("token: s3cret-b-long, ", "")
    schema(LiveSettings).validate(yaml.safe_load(as_yaml(parse(secrets, Path("own.yaml"), LiveSettings))))


@pytest.mark.parametrize(
    "text",
    [
        "masks: {}",
        "mask: {stile: blur}",
        "mask: {style: glitter}",
        "mask: {color: [0, 0, 256]}",
        "mask: {color: [0, 0]}",
        "track: {hold: -1}",
        "detect: {detector: eyes}",
        "zones: [{points: [[0, 0], [1, 1]]}]",
        "live: {streams: [{name: a}]}",
        "live: {web: {stun: [x]}}",
        "- a",
    ],
)
def test_the_schema_refuses_what_is_refused(text: str) -> None:
    assert not schema(LiveSettings).is_valid(yaml.safe_load(text))


def test_the_schema_for_files_knows_no_live_section() -> None:
    assert not schema(Settings).is_valid({"live": {}}) and schema(LiveSettings).is_valid({"live": {}})


def test_the_schema_says_what_the_source_says() -> None:
    found = json.loads(as_schema(LiveSettings))
    mask = found["$defs"]["MaskConfig"]["properties"]
    assert mask["cells"]["description"].startswith("Averages per side") and mask["cells"]["maximum"] == 6
    assert found["$defs"]["StreamConfig"]["properties"]["source"]["description"].startswith("rtsp://")
    # A text that goes over lines is one line.
    assert "\n" not in found["$defs"]["LiveConfig"]["properties"]["hold"]["description"]
    assert "password" not in json.dumps(found["$defs"]["RtspConfig"]["properties"]["password"].get("default"))
