from __future__ import annotations

from pathlib import Path

import pytest

from streamer.errors import OutputError
from streamer.output import default_output
from tests.containers import duration, needs_ffmpeg, plain, sound_hash, video_times
from tests.copying import copy


@needs_ffmpeg
def test_a_plain_file_keeps_its_frames_its_clock_and_its_sound(tmp_path: Path) -> None:
    source, target = plain(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    _, warnings = copy(source, target)
    assert len(video_times(source)) == 20
    assert video_times(target) == video_times(source)
    assert duration(target) == duration(source)
    assert sound_hash(target) == sound_hash(source)
    assert warnings.lines == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("meeting.mp4", "meeting.masked.mp4"),
        ("IMG_1.MOV", "IMG_1.masked.MOV"),
        ("a.b.mkv", "a.b.masked.mkv"),
        ("tape.avi", "tape.masked.mkv"),
        ("call.webm", "call.masked.mkv"),
        ("noname", "noname.masked.mkv"),
    ],
)
def test_the_default_target_stands_beside_the_input(given: str, expected: str) -> None:
    assert default_output(Path("/x") / given) == Path("/x") / expected


@needs_ffmpeg
def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    source = plain(tmp_path / "a.mp4")
    with pytest.raises(OutputError, match="is the input itself"):
        copy(source, source, overwrite=True)
