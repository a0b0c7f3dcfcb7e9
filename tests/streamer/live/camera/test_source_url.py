"""Parsing of source addresses; no text about them contains a credential."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamer.live.camera.source_url import SourceKind, SourceUrlError, open_options, parse_source
from streamer.settings.source import SourceConfig


@pytest.mark.parametrize(
    ("text", "kind", "shown", "host", "port"),
    [
        ("rtsp://cam/stream1", SourceKind.RTSP, "rtsp://cam/stream1", "cam", 554),
        ("rtsp://u:p%40ss@10.0.0.9:8554/a?b=1", SourceKind.RTSP, "rtsp://***@10.0.0.9:8554/a?b=1", "10.0.0.9", 8554),
        ("RTSPS://cam", SourceKind.RTSP, "RTSPS://cam", "cam", 322),
        ("rtsp://[fe80::1]:554/x", SourceKind.RTSP, "rtsp://[fe80::1]:554/x", "fe80::1", 554),
        ("http://u:p@cam/video.mjpg", SourceKind.HTTP, "http://***@cam/video.mjpg", "cam", 80),
        ("https://cam/live.m3u8", SourceKind.HTTP, "https://cam/live.m3u8", "cam", 443),
        ("/dev/video0", SourceKind.WEBCAM, "/dev/video0", None, None),
        ("v4l2:/dev/video12", SourceKind.WEBCAM, "/dev/video12", None, None),
        ("clips/a b.mp4", SourceKind.FILE, "clips/a b.mp4", None, None),
        ("file:///srv/a.mp4", SourceKind.FILE, "/srv/a.mp4", None, None),
    ],
)
def test_kinds(text: str, kind: SourceKind, shown: str, host: str | None, port: int | None) -> None:
    source = parse_source(text)
    assert (source.kind, source.shown, source.host, source.port) == (kind, shown, host, port)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("rtmp://u:s3cret@cam/x", "not supported"),
        ("rtsp://", "no host"),
        ("rtsp:///stream", "no host"),
        ("rtsp://u:s3cret@/x", "no host"),
        ("rtsp://cam:99999/x", "port"),
        ("rtsp://u:s3cret#1@cam/x", "%23"),
        ("rtsp://u:s3cret/1@cam/x", "%2F"),
        ("rtsp://[::1/x", "host"),
        ("rtsp://u:s3cret@cam/x y", "space"),
        ("rtsp://cam/x\n", "rtsp"),
        ("rtsp://cam/\nx", "control"),
        ("v4l2:camera", "webcam"),
    ],
)
def test_an_invalid_address_is_refused_in_one_line_without_the_password(text: str, said: str) -> None:
    if text == "rtsp://cam/x\n":  # a line from a file
        assert parse_source(text).url == "rtsp://cam/x"
        return
    with pytest.raises(SourceUrlError) as caught:
        parse_source(text)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value) + repr(caught.value.__cause__)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_no_text_about_the_source_contains_the_password() -> None:
    source = parse_source("rtsp://user:s3cret@cam/x")
    assert "s3cret" in source.url and "s3cret" not in f"{source!r} {source}"


@pytest.mark.parametrize(("transport", "wanted"), [("tcp", "tcp"), ("udp", "udp"), ("auto", "udp+tcp")])
def test_transport(transport: str, wanted: str) -> None:
    config = SourceConfig.model_validate({"transport": transport})
    options = open_options(parse_source("rtsp://cam/x"), config).options
    assert options["rtsp_transport"] == wanted
    assert ("rtsp_flags" in options) == (transport == "auto")  # else FFmpeg would try udp first


def test_no_source_may_reach_for_local_files_or_other_networks() -> None:
    for text in ("rtsp://cam/x", "http://cam/a.m3u8"):
        allowed = open_options(parse_source(text), SourceConfig()).options["protocol_whitelist"].split(",")
        assert not {"file", "pipe", "concat", "subfile", "ftp", "gopher", "unix"} & set(allowed)
    assert open_options(parse_source("a.mp4"), SourceConfig()).options["protocol_whitelist"] == "file"


def test_segments_may_be_silent_for_longer() -> None:
    config = SourceConfig(read_timeout=4)
    assert parse_source("http://cam/a/live.m3u8?x=1").silence(config) == 12
    assert parse_source("http://cam/video.mjpg").silence(config) == 4


@pytest.mark.parametrize(
    "values", [{"backoff_first": 3, "backoff_longest": 2}, {"read_timeout": 0}, {"transport": "multicast"}, {"x": 1}]
)
def test_impossible_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SourceConfig.model_validate(values)
