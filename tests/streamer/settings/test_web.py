from __future__ import annotations

import json

import pytest
from aiortc import RTCIceGatherer
from pydantic import ValidationError

from streamer.live.web.whep import ice_servers
from streamer.settings.web import TurnServer, WebConfig

PASSWORD = "relay-password"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"token": ""}, "token"),
        ({"token": "short"}, "token"),
        ({"stun": ["https://stun.example"]}, "stun"),
        ({"stun": ["stun:user@stun.example"]}, "stun"),
        ({"turn": [{"url": "stun:x", "user": "u", "password": PASSWORD}]}, "turn"),
        ({"turn": [{"url": "turn:x", "user": "u\r\nX: y", "password": PASSWORD}]}, "turn"),
        ({"origins": ["elsewhere.example"]}, "origins"),
        ({"max_viewers": 0}, "max_viewers"),
        ({"hosts": ["http://nas.example"]}, "hosts"),
        ({"hosts": ["nas.example:8080"]}, "hosts"),
        ({"udp_host": "nas.example"}, "udp_host"),
        ({"max_connections": 1}, "max_connections"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_impossible_values_are_refused_by_name(values: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebConfig.model_validate(values)
    assert caught.value.errors()[0]["loc"][0] == key


def test_secrets_do_not_show() -> None:
    turn = [{"url": "turns:turn.example:5349?transport=tcp", "user": "u", "password": PASSWORD}]
    config = WebConfig.model_validate({"token": "a-long-secret", "turn": turn})
    shown = f"{config} {config!r} {json.dumps(config.model_dump(mode='json'))}"
    assert PASSWORD not in shown and "a-long-secret" not in shown


def test_no_server_is_asked_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def public() -> object:
        raise AssertionError("aiortc's own list is used")

    monkeypatch.setattr(RTCIceGatherer, "getDefaultIceServers", public)
    nobody = RTCIceGatherer(ice_servers(WebConfig()))._connection
    assert nobody.stun_server is None and nobody.turn_server is None
    relay = TurnServer.model_validate({"url": "turn:turn.example", "user": "u", "password": PASSWORD})
    named = RTCIceGatherer(ice_servers(WebConfig(stun=("stun:stun.example:99",), turn=(relay,))))._connection
    assert named.stun_server == ("stun.example", 99) and named.turn_server == ("turn.example", 3478)
    assert (named.turn_username, named.turn_password) == ("u", PASSWORD)
