"""A way to a key frame in the middle of a file, and back to the first."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.frame import Frame
from streamer.file.source import FileSource
from streamer.media.picture_limit import PictureLimit
from streamer.units.index import read_index
from streamer.units.plan import plan_units
from tests.rigs.containers import needs_ffmpeg


@needs_ffmpeg
@pytest.mark.parametrize("rate", [1, 2, 25])
def test_frames_from_an_entry_on_have_the_times_of_the_index(tmp_path: Path, rate: int) -> None:
    film = tmp_path / "film.mp4"
    picture = f"testsrc2=s=64x48:r={rate}:d=100"
    make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, "-g", str(8 * rate), "-bf", "2", str(film)]
    subprocess.run(make, check=True, timeout=60)
    index = read_index(film, PictureLimit())
    for unit in plan_units(index).units:
        with FileSource(film, threads=1) as source:
            source.jump(unit.entry, unit.look_from)
            frames = [item.video.pts or 0 for item in source if isinstance(item, Frame)]
        shown = index.shown_pts
        assert frames == shown[shown >= unit.entry.pts].tolist()
