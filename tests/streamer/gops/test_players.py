"""Other programs than ffmpeg play the joined video through its seams."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs.chromium_player import play
from tests.rigs.containers import needs_ffmpeg
from tests.rigs.gop_joining import gstreamer_hashes, rejoin
from tests.streamer.gops.test_joint import X265, make, make_hevc, second

pytestmark = [needs_ffmpeg, pytest.mark.slow]

AROUND_SEAMS = (0, 23, 24, 25, 26, 48, 49, 50, 51, 75, 99)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_gstreamer_shows_the_recorded_frames(tmp_path: Path, suffix: str) -> None:
    source, target = make(tmp_path / "in.mp4"), tmp_path / f"out{suffix}"
    joined = rejoin(source, target, second(1))
    before, after = gstreamer_hashes(source), gstreamer_hashes(target)
    assert [old == new for old, new in zip(before, after, strict=True)] == [pts in joined.copied for pts in joined.pts]


@pytest.mark.parametrize("decoder", ["avdec_h265", "libde265dec"])
def test_gstreamer_shows_hevc(tmp_path: Path, decoder: str) -> None:
    source, target = make_hevc(tmp_path / "in.mp4", f"{X265}:open-gop=0"), tmp_path / "out.mp4"
    joined = rejoin(source, target, second(1))
    before, after = gstreamer_hashes(source, decoder), gstreamer_hashes(target, decoder)
    assert [old == new for old, new in zip(before, after, strict=True)] == [pts in joined.copied for pts in joined.pts]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_chromium_shows_the_recorded_frames_and_plays_to_the_end(tmp_path: Path, suffix: str) -> None:
    source, target = make(tmp_path / "in.mp4"), tmp_path / f"out{suffix}"
    joined = rejoin(source, target, second(1))
    times = [(index + 0.5) / 25 for index in AROUND_SEAMS]
    before = play(source, times)
    after = play(target, times, "video/mp4" if suffix == ".mp4" else "video/x-matroska")
    same = [old == new for old, new in zip(before.pictures, after.pictures, strict=True)]
    assert same == [joined.pts[index] in joined.copied for index in AROUND_SEAMS]
    assert abs(after.end - before.end) < 0.05
