"""Redirects of web cameras: to the same host only, unless more is allowed."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.live.camera.connection import LiveSource, SourceError
from streamer.live.camera.redirects import RedirectError, resolve_redirects
from streamer.live.camera.source_url import parse_source
from streamer.settings.source import SourceConfig
from tests.rigs.camera.coded_clip import coded_clip
from tests.rigs.camera.http_camera import mjpeg_camera, served

NEVER = threading.Event()


@contextmanager
def redirecting(target: str) -> Iterator[tuple[str, list[str | None]]]:
    """An address that redirects to `target` (SELF: to itself), and the credentials it received."""
    logins: list[str | None] = []

    class Redirects(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            logins.append(self.headers["Authorization"])
            self.send_response(302)
            self.send_header("Location", self.path if target == "SELF" else target)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with served(Redirects) as port:
        yield f"http://127.0.0.1:{port}/old", logins


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    coded_clip(None, path, (320, 240), 25, frames=25)
    return path


def first(url: str, redirects: str = "same-host") -> None:
    config = SourceConfig.model_validate({"redirects": redirects})
    with LiveSource(parse_source(url), config, threading.Event()) as source:
        assert next(iter(source)).video.width == 320


def test_the_same_host_is_followed(clip: Path) -> None:
    with mjpeg_camera(clip) as (url, _), redirecting(url) as (old, _):
        first(old)


def test_another_host_only_where_it_is_allowed(clip: Path) -> None:
    with mjpeg_camera(clip) as (url, _), redirecting(url.replace("127.0.0.1", "localhost")) as (old, _):
        with pytest.raises(SourceError, match=r"redirects to another host \(localhost\); live.source.redirects: any"):
            first(old)
        first(old, "any")


def test_an_endless_redirect() -> None:
    with redirecting("SELF") as (old, _), pytest.raises(SourceError, match="redirects more than 5 times"):
        first(old)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "rtsp://127.0.0.1/x", "http://[bad/", "//other/x"])
def test_redirects_to_other_places(target: str) -> None:
    with redirecting(target) as (old, _), pytest.raises(RedirectError):
        resolve_redirects(old, 5, NEVER)


def test_credentials_stay_with_their_server() -> None:
    with redirecting("http://127.0.0.1:1/x") as (old, logins):
        assert resolve_redirects(old.replace("//", "//me:p%40ss@"), 5, NEVER) == "http://127.0.0.1:1/x"
    with redirecting("/new") as (old, more):
        with_login = old.replace("//", "//me:p%40ss@")
        with pytest.raises(RedirectError, match="more than 5 times"):
            resolve_redirects(with_login, 5, NEVER)
    assert set(logins + more) == {None}


def test_responses_that_are_not_redirects(clip: Path) -> None:
    with mjpeg_camera(clip) as (url, _):
        assert resolve_redirects(url, 5, NEVER) is None
    assert resolve_redirects(url, 5, NEVER) is None, "nobody is there"
