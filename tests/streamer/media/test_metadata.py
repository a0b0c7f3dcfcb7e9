from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rigs.containers import ffmpeg, needs_ffmpeg, picture, probe, streams, tagged, tone, with_cover, x264
from tests.rigs.copying import copy

LISTED = [
    "location tag 'location'",
    "location tag 'com.apple.quicktime.location.ISO6709'",
    "device tag 'make'",
    "tag 'title'",
    "tag 'comment'",
    "tag 'creation_time'",
    "encoder tag 'encoder'",
    "subtitle track #2 (mov_text)",
    "1 chapter mark",
]
SECRETS = [b"52.3702", b"Acme", b"Ann", b"secret", b"Lavf59", b"2024-05"]


def with_attachment(path: Path) -> Path:
    """A Matroska file with a font and a timecode tag."""
    font = path.with_name("font.ttf")
    font.write_bytes(b"Ann's font" * 20)
    ffmpeg(
        *(*picture(), *x264(), "-attach", str(font), "-metadata:s:t", "mimetype=font/ttf", "-metadata", "title=Ann"),
        *("-metadata:s:v", "timecode=10:00:00:00", path),
    )
    return path


def with_timecode(path: Path) -> Path:
    """A QuickTime file with a timecode track."""
    ffmpeg(*picture(), *x264(), "-timecode", "10:00:00:00", path)
    return path


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv", ".ts"])
def test_identifying_metadata_is_dropped_and_listed(tmp_path: Path, suffix: str) -> None:
    source, target = tagged(tmp_path / "in.mov"), tmp_path / f"out{suffix}"
    assert all(secret in source.read_bytes() for secret in SECRETS[:5])
    info, _ = copy(source, target)
    assert [item for item in LISTED if item not in info.stripped] == []
    assert not any("52.3" in item or "Ann" in item for item in info.stripped), "names, never values"
    written = target.read_bytes()
    assert [secret for secret in SECRETS if secret in written] == []
    found = probe(target, "-show_format", "-show_chapters", "-show_streams")
    assert found["chapters"] == []
    kinds = [stream["codec_type"] for stream in found["streams"]]
    assert sorted(str(kind) for kind in kinds) == ["audio", "video"]


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("build", "suffix", "item"),
    [
        (with_cover, ".mp4", "cover art (png)"),
        (with_attachment, ".mkv", "attachment #1 (font/ttf)"),
        (with_timecode, ".mov", "data track #1 (timecode)"),
        (with_attachment, ".mkv", "tag 'TIMECODE' of stream #0"),
    ],
)
def test_other_streams_are_dropped_and_listed(
    tmp_path: Path, build: Callable[[Path], Path], suffix: str, item: str
) -> None:
    target = tmp_path / f"out{suffix}"
    info, _ = copy(build(tmp_path / f"in{suffix}"), target)
    assert item in info.stripped
    assert [stream["codec_type"] for stream in probe(target, "-show_streams")["streams"]] == ["video"]
    assert b"Ann" not in target.read_bytes()


@needs_ffmpeg
def test_keep_metadata_keeps_harmless_tags_only(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    copy(tagged(tmp_path / "in.mov"), target, keep_metadata=True)
    tags: dict[str, str] = probe(target, "-show_format")["format"]["tags"]  # type: ignore[call-overload]
    assert tags["creation_time"] == "2024-05-01T10:00:00.000000Z"
    assert not {"title", "make", "location", "comment"} & set(tags)
    assert [secret for secret in SECRETS[:5] if secret in target.read_bytes()] == []


@needs_ffmpeg
def test_language_and_disposition_of_audio_always_stay(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    ffmpeg(
        *(*picture(), *tone(), *x264(), "-c:a", "aac", "-metadata:s:a", "language=deu", "-metadata:s:a", "title=Ann"),
        *("-disposition:a", "hearing_impaired", "-default_mode", "passthrough", source),
    )
    copy(source, target)
    before, after = streams(source, "audio")[0], streams(target, "audio")[0]
    assert after["tags"]["language"] == "deu"  # type: ignore[index]
    assert "title" not in after["tags"]  # type: ignore[operator]
    assert after["disposition"]["hearing_impaired"] == before["disposition"]["hearing_impaired"] == 1  # type: ignore[index]
