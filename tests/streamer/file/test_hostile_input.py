"""Files, names and options that mean harm, or are merely odd: nothing else is opened, and memory has its bounds."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from core.anonymizer import Anonymizer
from core.config import EngineConfig
from core.frame import Frame
from core.pictures.orientation import Orientation
from streamer.cli.main import main
from streamer.errors import InputError
from streamer.file.memory_plan import MEGABYTE, EncoderPlan, TooLargeError, decoder_threads, encoder_plan, picture_bytes
from streamer.file.reader_thread import READER_BYTES, ReaderThread
from streamer.file.source import FileSource
from streamer.media.picture_limit import PictureLimit
from streamer.settings.loading import CONFIG_BYTES
from tests.rigs.containers import encoded, ffmpeg, moving_pictures, needs_ffmpeg, picture, plain, video_times, x264

pytestmark = pytest.mark.usefixtures("_keep_signal_handlers")
Capture = pytest.CaptureFixture[str]


def warnings_of(path: Path) -> list[str]:
    with FileSource(path) as source:
        for _ in source:
            pass
        return source.warnings.lines


def photograph(path: Path, size: tuple[int, int] = (96, 64)) -> Path:
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size[0]}x{size[1]}", "-frames:v", "1", path)
    return path


# What a file may open


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("a.ffconcat", "ffconcat version 1.0\nfile film.mp4\n", "playlist"),
        ("a.mp4", "ffconcat version 1.0\nfile film.mp4\n", "playlist"),
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfilm.ts\n#EXT-X-ENDLIST\n", "playlist"),
        ("a.txt", "hello\n" * 200, "text file"),
        ("a.ans", "\x1b[1mhello\n" * 200, "not a video"),
        ("a.nfo", "hello\n" * 200, "text file"),
        ("a.sdp", "v=0\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n", "text file"),
    ],
)
def test_what_names_other_files_or_is_drawn_text_is_refused(name: str, text: str, word: str, tmp_path: Path) -> None:
    plain(tmp_path / "film.mp4")
    encoded(tmp_path / "film.ts", *x264())
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=word):
        FileSource(path)


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("name", ["img%03d.jpg", "img*.jpg", "img001.jpg", "concat:a|b.mp4", "-i.mp4", "pipe:0", "fd:"])
def test_a_name_is_never_a_pattern_or_a_protocol(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(1, 5):  # what the pattern would match
        photograph(tmp_path / f"img{index:03d}.jpg")
    plain(tmp_path / "film.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert main(["file", "--overwrite", "--", name, "out.mp4"]) == 0
    assert len(video_times(tmp_path / "out.mp4")) == 15


@needs_ffmpeg
def test_a_folder_of_photographs_is_no_film(tmp_path: Path, capsys: Capture) -> None:
    for index in range(3):
        photograph(tmp_path / f"img{index:03d}.jpg")
    assert main(["file", str(tmp_path / "img%03d.jpg")]) == 2
    assert "does not exist" in capsys.readouterr().err


# How large a picture may be


def huge_png(path: Path, side: int) -> Path:
    """A few kilobytes that claim side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * (side + 1) * 64, 9)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def huge_gif(path: Path, side: int) -> Path:
    """An animation of one pixel on a canvas of side x side."""
    screen = struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    image = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    path.write_bytes(b"GIF89a" + screen + image * 3 + b";")
    return path


# Not ru_maxrss: that remembers what the process was before it was this program, the whole of pytest.
_PEAK = """
import re, sys
from pathlib import Path
from streamer.cli.main import main
code = main(sys.argv[1:])
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
sys.exit(code)
"""


def run_and_measure(*arguments: str) -> tuple[int, str, int]:
    """Exit code, what was said, and megabytes at the peak."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *arguments], capture_output=True, text=True, timeout=150, check=False
    )
    return done.returncode, done.stderr, int(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("make", "limit"), [(huge_gif, "10000x10000"), (huge_png, "10000x10000")])
def test_a_small_file_that_claims_a_huge_picture_is_refused(
    make: Callable[[Path, int], Path], limit: str, tmp_path: Path
) -> None:
    code, said, megabytes = run_and_measure("file", str(make(tmp_path / "in.bin", 16_000)))
    assert code == 2
    assert said.splitlines()[-1].endswith(f"its pictures are 16000x16000, more than the {limit} that --max-size allows")
    assert megabytes < 500
    assert len(list(tmp_path.iterdir())) == 1


@needs_ffmpeg
def test_the_limit_is_an_option(tmp_path: Path, capsys: Capture) -> None:
    film = plain(tmp_path / "film.mp4")
    assert main(["file", str(film), "--max-size", "95x64"]) == 2
    assert "96x64, more than the 95x64 that --max-size allows" in capsys.readouterr().err
    assert main(["file", str(film), "--max-size", "64x96"]) == 0, "what counts is how many pixels there are"
    (tmp_path / "own.yaml").write_text("file: {max_size: [10, 10]}", "utf-8")
    assert main(["file", str(film), "--overwrite", "--config", str(tmp_path / "own.yaml")]) == 2
    for wrong in ("10", "0x10", "10x", "-1x5", "99999999x1"):
        with pytest.raises(SystemExit) as stop:
            main(["file", str(film), f"--max-size={wrong}"])
        assert stop.value.code == 2


@needs_ffmpeg
def test_a_picture_that_grows_beyond_the_limit_is_not_decoded(tmp_path: Path) -> None:
    for name, size in (("a", "96x64"), ("b", "640x480")):
        encoded(tmp_path / f"{name}.ts", *x264(), size=size)
    path = tmp_path / "in.ts"
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with FileSource(path, limit=PictureLimit(96, 64)) as source:
        frames = [item for item in source if isinstance(item, Frame)]
    assert 13 <= len(frames) <= 16
    assert any("cannot be decoded" in line for line in source.warnings.lines)


@needs_ffmpeg
def test_what_is_cut_from_large_pictures_does_not_keep_their_memory(tmp_path: Path) -> None:
    whole = encoded(tmp_path / "whole.h264", "-c:v", "libx264", "-preset", "ultrafast", size="2048x1536", seconds=0.12)
    path = tmp_path / "in.mkv"
    cut = "h264_metadata=crop_right=1984:crop_bottom=1472"
    ffmpeg("-i", whole, "-c", "copy", "-bsf:v", cut, path)
    with FileSource(path) as source:
        frames = [item for item in source if isinstance(item, Frame)]
    assert frames and {(frame.video.width, frame.video.height) for frame in frames} == {(64, 64)}
    assert all(frame.video.planes[0].line_size < 256 for frame in frames)


# How much may wait


def test_fewer_threads_decode_large_pictures() -> None:
    assert decoder_threads(picture_bytes(1920, 1080, "yuv420p"), 4) == 4
    assert decoder_threads(picture_bytes(7680, 4320, "yuv420p"), 4) == 1
    assert decoder_threads(0, 4) == 4


@pytest.mark.parametrize("cpus", [2, 64])
def test_an_encoder_is_held_to_its_share(cpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cpus))
    budget = 2000 * MEGABYTE
    small = picture_bytes(1920, 1080, "yuv420p")
    assert encoder_plan("h264", "veryfast", 0, small, budget) == EncoderPlan(0)
    assert encoder_plan("h264", "veryfast", 3, small, budget) == EncoderPlan(3)
    assert encoder_plan("h264", "veryfast", 0, picture_bytes(3840, 2160, "yuv420p"), budget).look_ahead is None
    assert encoder_plan("h264", "veryslow", 0, picture_bytes(7680, 4320, "yuv420p"), budget).least
    with pytest.raises(TooLargeError, match="more than the 2000 MB of"):
        encoder_plan("hevc", "veryfast", 0, picture_bytes(7680, 4320, "yuv420p10le"), budget)


@pytest.mark.slow
@needs_ffmpeg
def test_pictures_that_do_not_fit_are_refused_with_a_reason(tmp_path: Path, capsys: Capture) -> None:
    film = encoded(tmp_path / "in.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv444p", size="3840x2160", seconds=0.08)
    (tmp_path / "own.yaml").write_text("file: {memory_mb: 500}", "utf-8")
    assert main(["file", str(film), "--config", str(tmp_path / "own.yaml")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"veilcast: {film}: ") and "more than the 500 MB of file.memory_mb" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "own.yaml"]


@pytest.mark.slow
def test_large_pictures_wait_by_bytes_not_by_number(tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8000, 4000, "gray"
        frame = av.VideoFrame(8000, 4000, "gray")
        frame.planes[0].update(b"\x09" * frame.planes[0].buffer_size)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with FileSource(path) as source:
        reader = ReaderThread(source)
        assert reader._items.maxsize == READER_BYTES // 32_000_000 == 3
    with Anonymizer(EngineConfig()) as engine:
        for index in range(8):
            big = av.VideoFrame(8000, 4000, "gray")
            big.pts, big.time_base = index, Fraction(1, 25)
            engine.push(Frame(index, big, index / 25))
            assert engine._engine.held <= 4
        engine.flush()


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.timeout(300)
def test_8k_runs_in_two_gigabytes(tmp_path: Path) -> None:
    film = encoded(
        tmp_path / "in.mp4", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", size="7680x4320"
    )
    code, said, megabytes = run_and_measure("file", str(film))
    assert code == 0, said
    assert megabytes < 2000
    assert len(video_times(tmp_path / "in.masked.mp4")) == 15


# Configurations


def endless(path: Path) -> Path:
    return Path("/dev/zero")


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def large(path: Path) -> Path:
    path.write_bytes(b"#" * (CONFIG_BYTES + 1))
    return path


def deep(path: Path) -> Path:
    path.write_text("[" * 100_000, "utf-8")
    return path


def odd_date(path: Path) -> Path:
    path.write_text("mask: 2024-13-77\n", "utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "word"),
    [
        (endless, "not a regular file"),
        (pipe, "not a regular file"),
        (large, "is larger than 1 MB"),
        (deep, "is not YAML"),
        (odd_date, "is not YAML"),
        (lambda path: path.parent, "not a regular file"),
    ],
)
def test_a_configuration_is_a_small_file(
    make: Callable[[Path], Path], word: str, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["file", "in.mp4", "--config", str(make(tmp_path / "own.yaml"))]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and word in said


# What files say about themselves


def exif(path: Path) -> Path:
    """A photograph taken with the camera on its side."""
    image = pytest.importorskip("PIL.Image")
    data = image.Exif()
    data[0x010F], data[0x0112] = "Acme", 6
    image.new("RGB", (96, 64), (200, 30, 40)).save(path, exif=data)
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_a_photograph_with_exif_is_masked_upright(suffix: str, tmp_path: Path) -> None:
    with FileSource(exif(tmp_path / f"in.{suffix}")) as source:
        assert source.info.orientation == Orientation(90)
        assert "EXIF data inside the pictures" in source.info.stripped
    assert main(["file", str(tmp_path / f"in.{suffix}")]) == 0


@pytest.mark.parametrize("suffix", ["avi", "mov"])
def test_motion_jpeg_with_exif(suffix: str, tmp_path: Path) -> None:
    data = exif(tmp_path / "one.jpg").read_bytes()
    path = tmp_path / f"in.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_mux_stream("mjpeg", rate=25, width=96, height=64, time_base=Fraction(1, 25))
        for index in range(5):
            packet = av.Packet(data)
            packet.pts = packet.dts = index
            packet.duration, packet.time_base, packet.is_keyframe, packet.stream = 1, Fraction(1, 25), True, stream
            container.mux(packet)
    assert main(["file", str(path)]) == 0


@pytest.mark.parametrize(("brand", "kind"), [(b"heic", "HEIC"), (b"mif1", "HEIC"), (b"avif", "AVIF")])
def test_a_phones_picture_is_called_what_it_is(brand: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(
        struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, brand) + struct.pack(">I4s", 64, b"meta") + b"\0" * 56
    )
    with pytest.raises(InputError, match=rf"is a picture \({kind}\)"):
        FileSource(path)


@needs_ffmpeg
def test_what_the_copy_loses_or_guesses_is_said_once(tmp_path: Path) -> None:
    clear = tmp_path / "clear.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=red@0.5:size=96x64:duration=0.2,format=yuva420p", "-c:v", "ffv1", clear)
    two = tmp_path / "two.mkv"
    ffmpeg(*picture(), *picture("64x48"), "-map", "0", "-map", "1", *x264(), two)
    bare = encoded(tmp_path / "in.mjpeg", "-c:v", "mjpeg", "-f", "mjpeg")
    for path, word in ((clear, "transparent"), (two, "2 video tracks: only #0"), (bare, "25 fps is assumed")):
        assert len([line for line in warnings_of(path) if word in line]) == 1
    for path in (plain(tmp_path / "film.mp4"), encoded(tmp_path / "in.h264", *x264())):
        assert not any("assumed" in line or "tracks" in line for line in warnings_of(path))


@pytest.mark.slow
def test_rates_and_clocks_that_cannot_be_meant(tmp_path: Path) -> None:
    """An AVI header is patched to every odd rate and scale."""
    base = tmp_path / "base.avi"
    with av.open(str(base), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 96, 64
        for frame in moving_pictures(5):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    raw = base.read_bytes()
    at = raw.index(b"strh") + 8 + 20
    odd = [(1, 200_000), (999_983, 1), (2**31 - 1, 1), (1, 2**31 - 1), (2**31 - 1, 2**31 - 3), (0, 0), (2**32 - 1, 7)]
    for scale, rate in odd:
        path = tmp_path / "in.avi"
        path.write_bytes(raw[:at] + struct.pack("<II", scale, rate) + raw[at + 8 :])
        for suffix in ("mkv", "mp4"):
            assert main(["file", str(path), str(tmp_path / f"out.{suffix}"), "--overwrite"]) in (0, 1, 2)
