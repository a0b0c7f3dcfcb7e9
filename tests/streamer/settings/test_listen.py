from __future__ import annotations

import pytest
from fastapi.routing import APIRoute
from pydantic import ValidationError

from streamer.live.web.site import LiveSite
from streamer.settings.listen import RESERVED, Listen, is_name, parse_listen
from streamer.settings.live import StreamConfig
from streamer.settings.web import WebConfig


@pytest.mark.parametrize(
    ("text", "listen", "is_open"),
    [
        ("8554", Listen("127.0.0.1", 8554), False),
        ("0.0.0.0:8554/door", Listen("0.0.0.0", 8554, "door"), True),
        ("[::1]:8080/", Listen("::1", 8080), False),
        ("[::]:0", Listen("::", 0), True),
        ("localhost:80", Listen("localhost", 80), False),
        ("cam.local:80/a.b-c_1", Listen("cam.local", 80, "a.b-c_1"), True),
    ],
)
def test_addresses(text: str, listen: Listen, is_open: bool) -> None:
    assert parse_listen(text) == listen and listen.is_open is is_open


@pytest.mark.parametrize(
    "text", ["", "door", "host:", ":8554", "host:99999", "host:80/a/b", "host:80/../x", "a b:80", "host:80/ä", "-1"]
)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address to listen on|no port"):
        parse_listen(text)


def test_shown_as_it_would_be_typed() -> None:
    assert str(Listen("::1", 80)) == "[::1]:80" and str(Listen("0.0.0.0", 80)) == "0.0.0.0:80"


@pytest.mark.parametrize(
    ("text", "good"), [("door", True), ("a" * 64, True), ("a" * 65, False), ("..", False), ("", False)]
)
def test_names(text: str, good: bool) -> None:
    assert is_name(text) is good


def test_no_stream_is_called_like_a_page_of_the_web_server() -> None:
    """Every fixed page, that is, so that nobody adds one and forgets."""

    site = LiveSite({}, WebConfig())
    routes = [route for router in (site.router(), site.pages()) for route in router.routes]
    paths = [route.path for route in routes if isinstance(route, APIRoute)]
    assert len(paths) == len(routes) > 5
    assert {path.split("/")[1] for path in paths} - {"", "{name}"} == RESERVED
    for name in RESERVED:
        with pytest.raises(ValidationError, match="cannot be a stream's name"):
            StreamConfig.model_validate({"name": name, "source": "x"})
    assert StreamConfig.model_validate({"name": "metrics2", "source": "x"}).name == "metrics2"
