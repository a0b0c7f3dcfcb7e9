"""Missing reference pictures are found, for many encoder settings."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from streamer.media.frame_num import FrameNumbers
from tests.rigs.camera.coded_clip import coded_clip


def access_units(path: Path, options: dict[str, str]) -> list[bytes]:
    coded_clip(None, path, (320, 240), frames=60, key_interval=30, options=options)
    raw = path.with_suffix(".h264")
    with av.open(str(path)) as source, av.open(str(raw), "w", "h264") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with av.open(str(raw)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


SETTINGS = [
    {"profile": "baseline"},
    {"profile": "high"},
    {"x264-params": "repeat-headers=1:cqm=jvt"},  # scaling lists
    {"x264-params": "repeat-headers=1:slices=4"},
    {"x264-params": "repeat-headers=1:bframes=3:b-pyramid=normal", "tune": "film"},
    {"x264-params": "repeat-headers=1:tff=1"},
    {"x264-params": "repeat-headers=1:intra-refresh=1"},
    {"x264-params": "repeat-headers=1:ref=4"},
]


@pytest.mark.slow
@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_whole_streams_have_no_gap_and_a_missing_reference_makes_one(options: dict[str, str], tmp_path: Path) -> None:
    units = access_units(tmp_path / "a.mp4", options)
    assert len(units) == 60
    numbers = FrameNumbers()
    assert [n for n, unit in enumerate(units) if numbers.gap(unit)] == []
    for missing in range(3, 8):
        if "bframes" in str(options) and not is_reference(units[missing]):
            continue
        numbers = FrameNumbers()
        gaps = [n for n, unit in enumerate(units[:20]) if n != missing and numbers.gap(unit)]
        assert gaps and missing < gaps[0] <= missing + 2  # B-frames nobody refers to share a number


def is_reference(unit: bytes) -> bool:
    at = unit.find(b"\0\0\1")
    while unit[at + 3] & 31 not in (1, 5):
        at = unit.find(b"\0\0\1", at + 3)
    return bool(unit[at + 3] & 0x60)


@pytest.mark.parametrize("data", [b"", b"\0\0\1", b"\0\0\1\x67", b"\0\0\1\x41", b"\0\0\1\x67" + bytes(50), b"xyz" * 9])
def test_garbage_is_handled(data: bytes) -> None:
    numbers = FrameNumbers()
    numbers.gap(data)
    numbers.gap(data)


def test_a_header_that_cannot_be_read_is_not_trusted(tmp_path: Path) -> None:
    units = access_units(tmp_path / "a.mp4", {})
    numbers = FrameNumbers()
    assert not numbers.gap(units[0])
    assert numbers.gap(b"\0\0\1\x41\0")
