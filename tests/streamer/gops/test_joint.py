"""Videos of which some groups are copied: read back with the ffmpeg program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from streamer.gops.framing import split_by_start_code, with_start_codes
from tests.rigs.containers import ffmpeg, needs_ffmpeg
from tests.rigs.gop_joining import Joined, ffmpeg_hashes, rejoin, scan

pytestmark = [needs_ffmpeg, pytest.mark.slow]

NOISE = "testsrc2=s=320x180:r=25:d=4,noise=alls=12:allf=t"
X264 = ("-c:v", "libx264", "-preset", "fast", "-x264-params")
CLOSED = "keyint=25:min-keyint=25:scenecut=0:bframes=3:b-pyramid=normal:ref=3"


def make(path: Path, parameters: str = CLOSED, *more: str, graph: str = NOISE) -> Path:
    ffmpeg("-f", "lavfi", "-i", graph, "-pix_fmt", "yuv420p", *X264, parameters, *more, path)
    return path


def second(number: int) -> Callable[[int], bool]:
    return lambda index: index // 25 == number


def check(source: Path, target: Path, joined: Joined) -> None:
    before, after = ffmpeg_hashes(source), ffmpeg_hashes(target)
    assert len(before) == len(after) == len(joined.pts)
    for pts, (time, old), (moved, new) in zip(joined.pts, before, after, strict=True):
        assert abs(time - moved) <= (0.0005 if target.suffix == ".mkv" else 0)
        assert (old == new) == (pts in joined.copied), f"frame at {float(time)}"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("origin", [".mp4", ".ts"])
def test_copied_frames_are_the_recorded_ones_and_all_have_their_times(tmp_path: Path, origin: str, suffix: str) -> None:
    source, target = make(tmp_path / f"in{origin}"), tmp_path / f"out{suffix}"
    joined = rejoin(source, target, second(1))
    assert len(joined.copied) == 75 and joined.refusals == []
    check(source, target, joined)


@pytest.mark.parametrize("touched", [0, 3])
def test_begins_or_ends_with_an_encoded_part(tmp_path: Path, touched: int) -> None:
    source, target = make(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    joined = rejoin(source, target, second(touched), most_held=0)
    assert len(joined.copied) == 75
    check(source, target, joined)


def test_open_groups_are_copied_after_closed_ones_only(tmp_path: Path) -> None:
    source, target = make(tmp_path / "in.mkv", f"{CLOSED}:open-gop=1"), tmp_path / "out.mp4"
    assert [gop.closed for gop in scan(source)] == [True, False, False, False]
    joined = rejoin(source, target, second(2))
    assert 40 <= len(joined.copied) <= 50
    check(source, target, joined)


def test_variable_frame_rate_keeps_every_time_stamp(tmp_path: Path) -> None:
    uneven = f"{NOISE},setpts='(N+0.37*mod(N\\,3))/(25*TB)'"
    source = make(tmp_path / "in.mp4", CLOSED, "-fps_mode", "passthrough", "-enc_time_base", "1/90000", graph=uneven)
    target = tmp_path / "out.mp4"
    joined = rejoin(source, target, second(1))
    assert len(joined.copied) == 75
    check(source, target, joined)


GPS = b"GPS 52.5200 N 13.4050 E"
CAPTION = b"he said so"


def with_messages(source: Path, target: Path) -> Path:
    """A copy of `source` (Annex B within) in which every picture carries messages and filler."""
    user = bytes((6, 5, 16 + len(GPS))) + bytes(range(65, 81)) + GPS + b"\x80"
    caption = bytes((6, 4, 8 + len(CAPTION))) + b"\xb5\x00\x31GA94\x03" + CAPTION + b"\x80"
    extra, filler = [user, caption, b"\x1e" + GPS], b"\x0c\xff\x80"
    with av.open(str(source)) as given, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.size:
                delimiter, *units = split_by_start_code(bytes(packet))
                made = av.Packet(with_start_codes([delimiter, *extra, *units, filler]))
                made.pts, made.dts, made.time_base, made.stream = packet.pts, packet.dts, packet.time_base, stream
                made.is_keyframe = packet.is_keyframe
                container.mux_one(made)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
def test_what_is_not_picture_does_not_reach_the_copy(tmp_path: Path, suffix: str) -> None:
    source = with_messages(make(tmp_path / "plain.ts"), tmp_path / "in.ts")
    assert source.read_bytes().count(GPS) > 190 and source.read_bytes().count(CAPTION) > 90
    target = tmp_path / f"out{suffix}"
    joined = rejoin(source, target, second(1))
    assert len(joined.copied) == 75
    check(source, target, joined)
    data = target.read_bytes()
    assert GPS not in data and CAPTION not in data and b"x264" not in data


X265 = "keyint=25:min-keyint=25:bframes=3:log-level=none"


def make_hevc(path: Path, parameters: str, pixels: str = "yuv420p") -> Path:
    coded = ("-c:v", "libx265", "-preset", "superfast", "-x265-params", parameters)
    ffmpeg("-f", "lavfi", "-i", NOISE, "-pix_fmt", pixels, *coded, path)
    return path


@pytest.mark.parametrize(
    ("suffix", "pixels", "more"),
    [
        (".mp4", "yuv420p", ""),
        (".ts", "yuv420p", ""),
        (".mkv", "yuv420p10le", ":slices=2"),
        (".mov", "yuv420p10le", ":slices=2"),
    ],
)
def test_hevc_likewise(tmp_path: Path, suffix: str, pixels: str, more: str) -> None:
    source, target = make_hevc(tmp_path / "in.mp4", f"{X265}:open-gop=0{more}", pixels), tmp_path / f"out{suffix}"
    joined = rejoin(source, target, second(1))
    assert len(joined.copied) == 75
    check(source, target, joined)
    if suffix == ".mp4":
        assert b"hvc1" in target.read_bytes()


def test_open_groups_of_hevc_are_copied_after_closed_ones_only(tmp_path: Path) -> None:
    source, target = make_hevc(tmp_path / "in.mkv", f"{X265}:open-gop=1"), tmp_path / "out.mp4"
    assert [gop.closed for gop in scan(source)] == [True, False, False, False]
    joined = rejoin(source, target, second(2))
    assert 40 <= len(joined.copied) <= 50
    check(source, target, joined)
