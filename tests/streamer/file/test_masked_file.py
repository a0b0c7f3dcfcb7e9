from __future__ import annotations

import os
import resource
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from core.pictures.orientation import Orientation
from streamer.errors import OutputError
from streamer.file.masked_file import MaskedFile, default_output
from streamer.file.source import FileSource
from streamer.media.display_matrix import matrix_of
from streamer.settings.encoder import EncoderConfig
from tests.rigs.containers import (
    duration,
    edited,
    encoded,
    ffmpeg,
    main_video,
    needs_ffmpeg,
    picture,
    plain,
    probe,
    sound_hash,
    streams,
    tone,
    two_sounds,
    video_times,
    with_matrix,
    with_times,
    wrong_count,
    x264,
)
from tests.rigs.copying import copy

VFR = "select=lt(n\\,4)+gt(n\\,6)*mod(n\\,3),setpts=PTS+mod(N\\,3)*0.2"
HDR = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
WIDE_GAMUT = ("-color_primaries", "bt2020", "-colorspace", "bt2020nc")
PICTURE_TAGS = ("width", "height", "sample_aspect_ratio", "color_space", "color_transfer", "color_primaries")


def webm(path: Path) -> Path:
    ffmpeg(*picture(), *tone(), "-c:v", "libvpx-vp9", "-b:v", "200k", "-cpu-used", "8", "-c:a", "libopus", path)
    return path


def avi(path: Path) -> Path:
    ffmpeg(*picture(), *tone(), "-c:v", "mpeg4", "-bf", "0", "-c:a", "mp3", path)
    return path


def vfr(*more: str) -> Callable[[Path], Path]:
    return lambda path: encoded(path, "-vf", VFR, "-vsync", "passthrough", "-video_track_timescale", "90000", *more)


def video(*arguments: str, size: str = "96x64") -> Callable[[Path], Path]:
    return lambda path: encoded(path, *arguments, size=size)


def ffv1(pixel_format: str, size: str = "96:64") -> Callable[[Path], Path]:
    crop = f"format={pixel_format},crop={size}:exact=1"
    return video("-vf", crop, "-c:v", "ffv1", "-pix_fmt", pixel_format, size="108x64")


def times(*pts: int, base: Fraction) -> Callable[[Path], Path]:
    return lambda path: with_times(path, pts, base)


# name, builder, suffix of the source, suffix of the target, expected pixel format and codec
FAITHFUL = [
    ("B-frames and sound", plain, ".mp4", ".mp4", "yuv420p", "h264"),
    ("QuickTime", plain, ".mov", ".mov", "yuv420p", "h264"),
    ("Matroska", plain, ".mkv", ".mkv", "yuv420p", "h264"),
    ("MPEG-TS", plain, ".ts", ".ts", "yuv420p", "h264"),
    ("MP4 to Matroska", plain, ".mp4", ".mkv", "yuv420p", "h264"),
    ("AVI", avi, ".avi", ".mkv", "yuv420p", "h264"),
    ("WebM", webm, ".webm", ".mkv", "yuv420p", "h264"),
    ("two sound tracks", two_sounds, ".mp4", ".mp4", "yuv420p", "h264"),
    ("edit list", edited, ".mp4", ".mp4", "yuv420p", "h264"),
    ("no sound", video(*x264()), ".mp4", ".mp4", "yuv420p", "h264"),
    ("variable frame rate", vfr(*x264("-bf", "0")), ".mp4", ".mp4", "yuv420p", "h264"),
    ("variable rate, B-frames", vfr(*x264()), ".mkv", ".mkv", "yuv420p", "h264"),
    ("starts late", video("-vf", "setpts=PTS+0.7333/TB", *x264()), ".mp4", ".mp4", "yuv420p", "h264"),
    ("NTSC", lambda p: encoded(p, "-r", "30000/1001", *x264()), ".mp4", ".mp4", "yuv420p", "h264"),
    ("repeated pts", times(0, 40, 40, 40, 80, 80, 120, base=Fraction(1, 1000)), ".mkv", ".mkv", "yuv420p", "h264"),
    ("repeated pts, MP4", times(0, 40, 40, 40, 80, 120, base=Fraction(1, 1000)), ".mkv", ".mp4", "yuv420p", "h264"),
    ("negative pts", times(*range(-9000, 9000, 3600), base=Fraction(1, 90000)), ".ts", ".ts", "yuv420p", "h264"),
    ("wrong frame count", wrong_count, ".avi", ".mkv", "yuv420p", "h264"),
    ("10 bit", video(*x264("-pix_fmt", "yuv420p10le")), ".mp4", ".mp4", "yuv420p10le", "hevc"),
    ("12 bit", ffv1("yuv422p12le"), ".mkv", ".mkv", "yuv422p12le", "hevc"),
    ("4:2:2", video(*x264("-pix_fmt", "yuv422p")), ".mov", ".mov", "yuv422p", "h264"),
    ("4:2:0", video(*x264("-pix_fmt", "yuv420p")), ".mp4", ".mp4", "yuv420p", "h264"),
    ("grey", video(*x264("-pix_fmt", "gray")), ".mkv", ".mkv", "yuvj420p", "h264"),
    ("grey, odd size", ffv1("gray", "107:59"), ".mkv", ".mkv", "yuvj420p", "h264"),
    ("odd size", ffv1("yuv420p", "107:59"), ".mkv", ".mkv", "yuv444p", "h264"),
    ("odd height", ffv1("yuv420p", "108:59"), ".mkv", ".mkv", "yuv422p", "h264"),
    ("odd size, 10 bit", ffv1("yuv420p10le", "107:59"), ".mkv", ".mkv", "yuv444p10le", "hevc"),
    ("RGB", ffv1("bgr0"), ".mkv", ".mkv", "yuv444p", "h264"),
    ("NV12", video("-c:v", "rawvideo", "-pix_fmt", "nv12"), ".nut", ".mkv", "yuv420p", "h264"),
    ("full range", video(*x264("-pix_fmt", "yuvj420p")), ".mp4", ".mp4", "yuvj420p", "h264"),
    ("wide pixels", video("-vf", "setsar=4/3", *x264()), ".mp4", ".mp4", "yuv420p", "h264"),
    ("PQ", video(*x264("-pix_fmt", "yuv420p10le", "-color_trc", "smpte2084", *WIDE_GAMUT)), ".mp4", ".mp4",
     "yuv420p10le", "hevc"),
    ("HLG", video(*x264("-pix_fmt", "yuv420p10le", "-color_trc", "arib-std-b67", *WIDE_GAMUT)), ".mov", ".mov",
     "yuv420p10le", "hevc"),
]  # fmt: skip


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("build", "suffix", "target_suffix", "pixel_format", "codec"),
    [pytest.param(*row[1:], id=row[0]) for row in FAITHFUL],
)
def test_a_copy_keeps_frames_clock_colours_and_sound(
    tmp_path: Path,
    build: Callable[[Path], Path],
    suffix: str,
    target_suffix: str,
    pixel_format: str,
    codec: str,
) -> None:
    source, target = build(tmp_path / f"in{suffix}"), tmp_path / f"out{target_suffix}"
    info, _ = copy(source, target)
    assert len(video_times(source)) >= 5
    assert video_times(target) == video_times(source)
    before, after = main_video(source), main_video(target)
    if "duration_ts" in before and "duration_ts" in after:
        assert duration(target) == duration(source)
    assert (after["pix_fmt"], after["codec_name"]) == (pixel_format, codec)
    tags = PICTURE_TAGS if before.get("color_space") != "gbr" else ("width", "height")
    assert {tag: after.get(tag) for tag in tags} == {tag: before.get(tag) for tag in tags}
    if before.get("color_range") == "pc" and tags is PICTURE_TAGS:
        assert after["color_range"] == "pc"
    assert len(streams(target, "audio")) == len(streams(source, "audio")) == len(info.audio_tracks)
    for track in info.audio_tracks:
        assert sound_hash(target, track.number) == sound_hash(source, track.number)


@needs_ffmpeg
def test_repeated_and_negative_pts_are_really_in_the_sources(tmp_path: Path) -> None:
    base = Fraction(1, 1000)
    assert video_times(with_times(tmp_path / "a.mkv", [0, 40, 40, 80], base)) == [t * base for t in (0, 40, 40, 80)]
    assert video_times(with_times(tmp_path / "a.ts", [-80, -40, 0], base)) == [t * base for t in (-80, -40, 0)]


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_where_nothing_can_start_before_zero_all_of_it_starts_later(tmp_path: Path, suffix: str) -> None:
    source = with_times(tmp_path / "in.ts", [-80, -40, 0, 40, 80], Fraction(1, 1000))
    _, warnings = copy(source, tmp_path / f"out{suffix}")
    assert video_times(tmp_path / f"out{suffix}") == [time + Fraction(80, 1000) for time in video_times(source)]
    assert any("cannot start before 0" in line for line in warnings.lines)


@needs_ffmpeg
def test_what_matroska_rounds_is_said(tmp_path: Path) -> None:
    source = encoded(tmp_path / "in.mp4", "-r", "30000/1001", *x264())
    _, warnings = copy(source, tmp_path / "out.mkv")
    assert any("milliseconds" in line for line in warnings.lines)
    pairs = list(zip(video_times(source), video_times(tmp_path / "out.mkv"), strict=True))
    assert len(pairs) == 18
    assert max(abs(a - b) for a, b in pairs) <= Fraction(1, 2000)


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("suffix", "turn", "flip"),
    [
        *((".mp4", turn, flip) for turn in (0, 90, 180, 270) for flip in (False, True)),
        *((suffix, turn, False) for suffix in (".mov", ".mkv") for turn in (90, 180)),
    ],
)
def test_the_display_matrix_stays(tmp_path: Path, suffix: str, turn: int, flip: bool) -> None:
    matrix = matrix_of(Orientation(turn, flip))
    source = with_matrix(tmp_path / "in.mp4", matrix)
    info, _ = copy(source, tmp_path / f"out{suffix}")
    assert info.orientation == Orientation(turn, flip)
    with FileSource(tmp_path / f"out{suffix}") as reader:
        assert reader.info.orientation == Orientation(turn, flip)
    if suffix != ".mkv":  # ffprobe 5.1 does not look for it in Matroska
        before, after = (
            [item["displaymatrix"] for item in streams(p, "video")[0].get("side_data_list", [])]  # type: ignore[attr-defined]
            for p in (source, tmp_path / f"out{suffix}")
        )
        assert before == after


@needs_ffmpeg
def test_hdr_light_levels_stay(tmp_path: Path) -> None:
    source = encoded(
        *(tmp_path / "in.mkv", "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast"),
        *("-x265-params", f"log-level=none:{HDR}", "-color_trc", "smpte2084", *WIDE_GAMUT),
        seconds=0.2,
    )
    copy(source, tmp_path / "out.mp4")

    def levels(path: Path) -> object:
        frame = probe(path, "-select_streams", "v:0", "-show_frames", "-read_intervals", "%+#1")["frames"][0]
        kept = ("Mastering display metadata", "Content light level metadata")
        return [item for item in frame["side_data_list"] if item["side_data_type"] in kept]  # type: ignore[attr-defined]

    assert len(levels(source)) == 2  # type: ignore[arg-type]
    assert levels(tmp_path / "out.mp4") == levels(source)


@needs_ffmpeg
def test_interlaced_stays_interlaced(tmp_path: Path) -> None:
    interlace = ("-vf", "tinterlace=interleave_top,fieldorder=tff")
    source = encoded(tmp_path / "in.mp4", *interlace, *x264("-flags", "+ildct+ilme"))
    copy(source, tmp_path / "out.mp4")
    assert streams(source, "video")[0]["field_order"] == "tt"
    assert streams(tmp_path / "out.mp4", "video")[0]["field_order"] == "tt"
    assert video_times(tmp_path / "out.mp4") == video_times(source)


@needs_ffmpeg
@pytest.mark.parametrize(("codec", "expected"), [("h264", ("h264", "yuv420p10le")), ("hevc", ("hevc", "yuv420p10le"))])
def test_the_codec_can_be_chosen(tmp_path: Path, codec: str, expected: tuple[str, str]) -> None:
    source = encoded(tmp_path / "in.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv420p10le", seconds=0.2)
    copy(source, tmp_path / "out.mp4", encoder=EncoderConfig.model_validate({"codec": codec, "preset": "ultrafast"}))
    stream = streams(tmp_path / "out.mp4", "video")[0]
    assert (stream["codec_name"], stream["pix_fmt"]) == expected


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


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_matrix(tmp_path_factory.mktemp("input") / "in.mp4", matrix_of(Orientation()))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("out.avi", "unknown kind of output"),
        ("nowhere/out.mp4", "does not exist"),
        ("folder.mp4", "is a directory"),
        ("taken.mp4", "--overwrite replaces it"),
        ("file/out.mp4", "does not exist"),
    ],
)
def test_targets_that_cannot_be(tmp_path: Path, source: Path, target: str, message: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "taken.mp4").write_bytes(b"mine")
    (tmp_path / "file").write_bytes(b"")
    before = names(tmp_path)
    with pytest.raises(OutputError, match=message) as caught:
        copy(source, tmp_path / target)
    assert str(tmp_path / target) in str(caught.value)
    assert names(tmp_path) == before
    assert (tmp_path / "taken.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link"])
def test_the_input_is_never_overwritten(tmp_path: Path, source: Path, way: str) -> None:
    given, target = tmp_path / "in.mp4", tmp_path / "in.mp4"
    given.write_bytes(source.read_bytes())
    if way != "itself":
        target = tmp_path / "link.mp4"
        (target.symlink_to if way == "symbolic link" else target.hardlink_to)(given)
    with pytest.raises(OutputError, match="is the input itself"):
        copy(given, target, overwrite=True)
    assert given.read_bytes() == source.read_bytes()


def test_overwriting_replaces_the_old_file_only_at_the_end(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    with FileSource(source) as reader, MaskedFile(target, reader.info, overwrite=True):
        assert target.read_bytes() == b"old"
    assert target.read_bytes()[4:8] == b"ftyp"
    assert names(tmp_path) == ["out.mp4"]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out.mp4"
    with (
        pytest.raises(OutputError, match="appeared"),
        FileSource(source) as reader,
        MaskedFile(target, reader.info),
    ):
        target.write_bytes(b"someone else's")
    assert target.read_bytes() == b"someone else's"
    assert names(tmp_path) == ["out.mp4"]


def test_without_hard_links_nothing_is_replaced_either(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    copy(source, tmp_path / "out.mp4")
    assert names(tmp_path) == ["out.mp4"]
    assert (tmp_path / "out.mp4").stat().st_size > 500
    with pytest.raises(OutputError, match="exists already"):
        copy(source, tmp_path / "out.mp4")


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_a_job_that_breaks_off_leaves_nothing(tmp_path: Path, source: Path, fault: type[BaseException]) -> None:
    with pytest.raises(fault), FileSource(source) as reader, MaskedFile(tmp_path / "out.mp4", reader.info):
        assert [name for name in names(tmp_path) if not name.startswith(".")] == []
        raise fault
    assert names(tmp_path) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, source: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))  # every write beyond fails, as on a full disk
    try:
        with pytest.raises(OutputError, match=r"out\.mp4: cannot be written \(file too large\)"):
            copy(source, tmp_path / "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == []


def test_no_permission_is_said(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with FileSource(source) as reader, pytest.raises(OutputError, match="no permission"):
        MaskedFile(tmp_path / "out.mp4", reader.info)
