"""Tracks that begin late, and pictures wider than an encoder takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer import anonymize_file
from streamer.cli.main import main
from tests.rigs.containers import ffmpeg, needs_ffmpeg, picture

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")
Capture = pytest.CaptureFixture[str]


def with_late_audio(path: Path) -> Path:
    """FLV whose header speaks of video alone, with audio tags from its middle on."""
    video = path.with_name("video.flv")
    ffmpeg(*picture(seconds=12), "-c:v", "flv", "-g", "10", video)
    data, at, out = video.read_bytes(), 13, bytearray()
    out += data[:4] + b"\x01" + data[5:13]  # the flag of video alone
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big") + 15
        out += data[at : at + size]
        stamp = data[at + 4 : at + 8]
        if at > len(data) // 2:
            body = b"\x0e" + bytes(40)  # 8-bit PCM
            out += b"\x08" + len(body).to_bytes(3, "big") + stamp + bytes(3) + body
            out += (len(body) + 11).to_bytes(4, "big")
        at += size
    path.write_bytes(out)
    return path


@needs_ffmpeg
def test_a_track_that_begins_late_is_named_and_every_picture_kept(tmp_path: Path) -> None:
    source = with_late_audio(tmp_path / "in.flv")
    report = anonymize_file(source, tmp_path / "out.mkv")
    assert report.frames == 300
    assert [line for line in report.warnings if "starts too late" in line]


@needs_ffmpeg
def test_pictures_too_wide_for_h264_say_so(tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "wide.gif"
    ffmpeg(*picture(size="17000x64", seconds=0.2), source)
    assert main(["file", str(source), str(tmp_path / "out.mp4")]) == 2
    assert "H.264 is encoded up to 16384 pixels a side" in capsys.readouterr().err
    assert main(["file", str(source), str(tmp_path / "out.mp4"), "--codec", "hevc"]) == 0
