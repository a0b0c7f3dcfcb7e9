"""Lost and concealed pictures are noticed for every codec, in unit tests and in real files."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.packet import Packet
from av.video.stream import VideoStream

from core.frame import Frame
from streamer import anonymize_file
from streamer.cli.main import main
from streamer.file.source import FileSource
from streamer.media.losses import Losses, patience
from tests.rigs.faces import RATE, panned

Spoil = Callable[[int, bytes], bytes | None]
"""Maps packet number n to other bytes, or to nothing."""


def fed(losses: Losses, count: int, keys: Collection[int] = (0,)) -> None:
    for ordinal in range(count):
        losses.packet(ordinal, b"", key=ordinal in keys, corrupt=False, shown=True)


def test_a_picture_that_never_comes_is_missed_and_what_follows_it_distrusted() -> None:
    losses = Losses("av1", 0, None)
    fed(losses, 10, keys=(0, 8))
    trusted = [losses.is_trusted(n, n in (0, 8), False) for n in (0, 1, 3, 4, 8, 9)]
    assert trusted == [True, True, False, False, True, True]
    assert losses.missing == 4


def test_a_key_frame_that_no_packet_was_marked_as_proves_nothing() -> None:
    losses = Losses("av1", 0, None)
    fed(losses, 6)
    losses.decode_failed()
    losses.packet(6, b"", key=False, corrupt=False, shown=True)
    assert not losses.is_trusted(6, True, False)


def test_reordered_pictures_are_no_loss() -> None:
    losses = Losses("hevc", 0, None)
    fed(losses, 5)
    assert all(losses.is_trusted(n, n == 0, False) for n in (0, 4, 2, 1, 3))
    assert losses.missing == 0


@pytest.mark.parametrize(("codec", "missing"), [("h264", 1), ("vp8", 0)])
def test_codecs_that_skip_pictures_on_purpose_miss_none(codec: str, missing: int) -> None:
    losses = Losses(codec, 0, None)
    losses.packet(0, b"", key=True, corrupt=False, shown=True)
    losses.packet(1, b"", key=False, corrupt=False, shown=True)
    losses.packet(2, b"", key=False, corrupt=False, shown=False)
    losses.is_trusted(0, True, False)
    assert losses.missing == missing


def test_frames_before_the_first_key_frame_are_dropped_as_players_do() -> None:
    losses = Losses("h264", 0, None)
    losses.packet(0, b"", key=False, corrupt=False, shown=True)
    assert losses.leaves_out(0, True)
    losses.packet(1, b"", key=True, corrupt=False, shown=True)
    assert losses.leaves_out(0, True) and not losses.leaves_out(1, True)
    losses.is_trusted(1, True, False)
    assert losses.missing == 0


def test_where_every_frame_is_a_key_frame_the_next_one_does_not_restore_trust() -> None:
    losses = Losses("mjpeg", 0, None)
    wait = patience("mjpeg")
    trusted = []
    for ordinal in range(2 * wait):
        losses.packet(ordinal, b"", key=True, corrupt=ordinal == 3, shown=True)
        trusted.append(losses.is_trusted(ordinal, True, False))
    assert trusted == [not 3 <= n <= 3 + wait for n in range(2 * wait)]
    assert wait and not patience("h264")


def recorded(path: Path, codec: str, pixels: str, options: dict[str, str], spoil: Spoil) -> Path:
    """Two seconds of a moving face, with its packets changed by `spoil`."""
    pictures = [*panned().pictures, *panned().pictures[:20]]
    clean = path.with_name(f"clean{path.suffix}")
    with av.open(str(clean), "w") as container:
        stream = container.add_stream(codec, RATE, options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(clean)) as source, av.open(str(path), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux(source.streams.video[0]) if packet.size)
        for number, packet in enumerate(packets):
            data = spoil(number, bytes(packet))
            if data is None:
                continue
            spoilt = Packet(data)
            spoilt.pts, spoilt.dts, spoilt.duration = packet.pts, packet.dts, packet.duration
            spoilt.time_base, spoilt.is_keyframe, spoilt.stream = packet.time_base, packet.is_keyframe, copy
            target.mux(spoilt)
    return path


def without(*numbers: int) -> Spoil:
    return lambda number, data: None if number in numbers else data


def flipped(*numbers: int, start: int | None = None) -> Spoil:
    """Replaces thirty bytes in the middle, or from `start` on."""

    def spoil(number: int, data: bytes) -> bytes:
        at = len(data) // 3 if start is None else start
        middle = bytes(byte ^ 0xA5 for byte in data[at : at + 30])
        return data[:at] + middle + data[at + 30 :] if number in numbers else data

    return spoil


HEVC = {"preset": "veryfast", "x265-params": "keyint=30:log-level=none"}
H264 = {"g": "30", "preset": "veryfast"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "pixels", "options", "spoil", "frames", "untrusted"),
    [
        pytest.param("a.mp4", "libx265", "yuv420p", HEVC, without(1), 59, 20, id="HEVC, a reference lost"),
        pytest.param("a.mp4", "libx265", "yuv420p", HEVC, flipped(1, start=6), 59, 20, id="HEVC, a slice header"),
        pytest.param("a.mp4", "libx264", "yuv420p", H264, without(1), 59, 20, id="H.264 in MP4, a reference lost"),
        pytest.param("a.ts", "libx264", "yuv420p", H264, without(1), 59, 20, id="H.264 in TS, a reference lost"),
        pytest.param("a.avi", "mjpeg", "yuvj420p", {}, flipped(20), 59, 10, id="Motion JPEG, a picture damaged"),
        pytest.param("a.mov", "prores_ks", "yuv422p10le", {}, flipped(20), 60, 10, id="ProRes, a picture damaged"),
        pytest.param("a.avi", "mpeg4", "yuv420p", {"g": "30"}, flipped(5), 60, 20, id="MPEG-4, a packet damaged"),
    ],
)
def test_damage_is_masked_and_reported_with_an_exit_code(
    name: str,
    codec: str,
    pixels: str,
    options: dict[str, str],
    spoil: Spoil,
    frames: int,
    untrusted: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = recorded(tmp_path / name, codec, pixels, options, spoil), tmp_path / "out.mkv"
    report = anonymize_file(source, target)
    assert report.frames == frames, "no picture is lost that the decoder can give"
    assert report.seconds.blanket >= untrusted / RATE - 1e-6
    assert report.damaged >= report.seconds.blanket - 1e-6
    assert report.warnings
    assert main(["file", str(source), str(target), "--overwrite"]) == 3
    assert "warning" in capsys.readouterr().err


@pytest.mark.slow
def test_a_packet_that_turns_out_to_say_nothing_is_a_loss(tmp_path: Path) -> None:
    """In MPEG-4, damage can read as "not coded": the decoder gives no picture and no error."""

    def spoil(number: int, data: bytes) -> bytes:
        return (
            data[:4] + bytes.fromhex("ff7f2617dce7b62f78eb32e1cb14f7bd098c79d6") + data[24:] if number == 11 else data
        )

    source = recorded(tmp_path / "a.avi", "mpeg4", "yuv420p", {"g": "30"}, spoil)
    report = anonymize_file(source, tmp_path / "out.mkv")
    assert report.frames == 59 and report.damaged > 0
    assert any("1 of 60 pictures could not be decoded" in line for line in report.warnings)


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "options"),
    [
        ("a.mp4", "libx265", "yuv420p", HEVC),
        ("a.mp4", "libx264", "yuv420p", H264),
        ("a.mp4", "libx264", "yuv420p", H264 | {"x264-params": "open-gop=1:bframes=3:b-pyramid=normal"}),
        ("a.mkv", "libx264", "yuv420p", H264 | {"x264-params": "tff=1:bframes=2"}),
        ("a.webm", "libvpx", "yuv420p", {"g": "30", "deadline": "realtime", "auto-alt-ref": "1"}),
        ("a.webm", "libvpx-vp9", "yuv420p", {"g": "30", "deadline": "good", "cpu-used": "5"}),
        ("a.avi", "mpeg4", "yuv420p", {"g": "30", "bf": "2"}),
        ("a.avi", "mjpeg", "yuvj420p", {}),
    ],
)
def test_whole_recordings_raise_no_alarm(
    name: str, codec: str, pixels: str, options: dict[str, str], tmp_path: Path
) -> None:
    source = recorded(tmp_path / name, codec, pixels, options, lambda _, data: data)
    report = anonymize_file(source, tmp_path / "out.mkv")
    assert (report.frames, report.damaged, report.seconds.blanket) == (60, 0, 0)
    assert not [line for line in report.warnings if "missing" in line or "damage" in line]


@pytest.mark.slow
def test_damage_in_non_reference_pictures_is_always_noticed(tmp_path: Path) -> None:
    """With frame threads, the H.264 decoder sometimes flags them too late."""
    options = {"g": "60", "preset": "veryfast", "x264-params": "bframes=3:b-pyramid=none:rc-lookahead=0"}
    for number in range(30, 60, 3):
        source = recorded(tmp_path / "a.mkv", "libx264", "yuv420p", options, flipped(number))
        seen = []
        for _ in range(3):
            with FileSource(source, threads=4) as reader:
                seen.append(sum(not item.trusted for item in reader if isinstance(item, Frame)))
        assert seen[0] and len(set(seen)) == 1, number


@pytest.mark.slow
def test_a_recording_that_starts_mid_gop_reports_dropped_frames(tmp_path: Path) -> None:
    source = recorded(tmp_path / "a.ts", "libx264", "yuv420p", H264, without(0))
    report = anonymize_file(source, tmp_path / "out.mkv")
    assert report.frames == 30 and report.damaged > 1
    assert any("are dropped" in line for line in report.warnings)
