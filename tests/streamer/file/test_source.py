from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from core.frame import Frame
from core.pictures.orientation import Orientation
from streamer.errors import InputError
from streamer.file.source import FileSource
from streamer.media.damage import DamageLog
from streamer.media.display_matrix import matrix_of, orientation_of, parse_matrix
from streamer.warning_log import WarningLog
from tests.rigs.containers import (
    FFMPEG,
    cut_off,
    damaged,
    edited,
    encoded,
    ffmpeg,
    joined,
    main_video,
    needs_ffmpeg,
    picture,
    plain,
    tone,
    two_sounds,
    video_times,
    with_cover,
    with_matrix,
    with_times,
    wrong_count,
    x264,
)
from tests.rigs.copying import copy

ORIENTATIONS = [Orientation(turn, flip) for turn in (0, 90, 180, 270) for flip in (False, True)]


def read(path: Path) -> tuple[list[Frame], WarningLog]:
    with FileSource(path) as source:
        return [item for item in source if isinstance(item, Frame)], source.warnings


def nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


def sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 4800), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def video_file(path: Path) -> None:
    with_matrix(path, matrix_of(Orientation()))


def without_index(path: Path) -> None:
    video_file(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: raw.index(b"moov") - 4])


def cut_in_index(path: Path) -> None:
    video_file(path)
    path.write_bytes(path.read_bytes()[:-400])


def unknown_codec(path: Path) -> None:
    video_file(path)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC"))


def no_picture(path: Path) -> None:
    video_file(path)
    raw = bytearray(path.read_bytes())
    start = raw.index(b"mdat") + 4
    size = int.from_bytes(raw[start - 8 : start - 4], "big") - 8
    raw[start : start + size] = b"\0" * size
    path.write_bytes(raw)


BAD = [
    ("missing", nothing, "does not exist"),
    ("directory", lambda path: path.mkdir(), "is a directory"),
    ("empty", lambda path: path.write_bytes(b""), "is empty"),
    ("text", lambda path: path.write_text("dear diary\n" * 50), "is a text file, not a video"),
    ("text with accents", lambda path: path.write_text("caf\xe9 " * 2000), "is a text file, not a video"),
    ("noise", lambda path: path.write_bytes(bytes(range(256)) * 8), "is not a video that FFmpeg can read"),
    ("truncated", without_index, r"is truncated: the index \(moov\)"),
    ("truncated in its index", cut_in_index, r"is truncated: the index \(moov\)"),
    ("sound only", sound_only, "has audio but no video"),
    ("unknown codec", unknown_codec, "no decoder for its video codec"),
    ("no picture", no_picture, "none of its pictures could be decoded"),
    ("device", lambda path: path.symlink_to("/dev/null"), "is not a regular file"),
]


@pytest.mark.parametrize(("build", "message"), [pytest.param(*row[1:], id=row[0]) for row in BAD])
def test_bad_input_is_named_with_its_cause(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], build: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "in.mp4"
    build(path)
    with pytest.raises(InputError, match=message) as caught:
        FileSource(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert capfd.readouterr() == ("", "")


def test_no_permission_is_said(tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    video_file(path)
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read anything: ask as nobody
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_uid == os.getuid() and folder.is_relative_to("/tmp"):
                folder.chmod(folder.stat().st_mode | 0o011) if folder != Path("/tmp") else None
        code = (
            "import os, sys; from pathlib import Path; from streamer.file.source import FileSource\n"
            "from streamer.errors import InputError\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "try: FileSource(Path(sys.argv[1]))\n"
            "except InputError as error: sys.exit(str(error))"
        )
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        message = done.stderr.strip()
    else:
        with pytest.raises(InputError) as caught:
            FileSource(path)
        message = str(caught.value)
    assert message == f"{path}: no permission to read it"


def test_nothing_but_the_file_itself_is_opened(tmp_path: Path) -> None:
    video_file(tmp_path / "secret.mp4")
    playlist = tmp_path / "in.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile '{tmp_path / 'secret.mp4'}'\n")
    with pytest.raises(InputError, match="text file"):
        FileSource(playlist)
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError, match="text file"):
        FileSource(playlist)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("build", "suffix"),
    [
        (plain, ".mp4"),
        (plain, ".ts"),
        (edited, ".mp4"),
        (wrong_count, ".avi"),
        (lambda path: with_times(path, [0, 5, 5, 70], Fraction(1, 1000)), ".mkv"),
    ],
    ids=["B-frames", "MPEG-TS", "edit list", "wrong count", "odd times"],
)
def test_frames_come_in_order_with_their_own_times(tmp_path: Path, build: Callable[[Path], Path], suffix: str) -> None:
    path = build(tmp_path / f"in{suffix}")
    frames, _ = read(path)
    assert [
        frame.video.pts * (frame.video.time_base or 0) for frame in frames if frame.video.pts is not None
    ] == video_times(path)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(frame.trusted for frame in frames)
    assert [frame.time for frame in frames] == pytest.approx([float(time) for time in video_times(path)])


@needs_ffmpeg
def test_avi_with_reordered_frames_keeps_a_steady_clock(tmp_path: Path) -> None:
    frames, _ = read(encoded(tmp_path / "in.avi", "-c:v", "mpeg4", "-bf", "2"))
    pts = [frame.video.pts for frame in frames if frame.video.pts is not None]
    assert len(pts) == 15
    assert np.diff(pts).tolist() == [1] * 14


@needs_ffmpeg
def test_cover_art_is_not_the_video(tmp_path: Path) -> None:
    with FileSource(with_cover(tmp_path / "in.mp4")) as source:
        assert (source.info.picture.width, source.info.picture.height) == (96, 64)
        assert len([item for item in source if isinstance(item, Frame)]) == 15
    assert "cover art (png)" in source.info.stripped


@needs_ffmpeg
def test_a_second_video_is_left_out_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    ffmpeg(
        *picture(),
        *picture("160x96"),
        "-map",
        "0",
        "-map",
        "1",
        "-disposition:v:0",
        "default",
        "-disposition:v:1",
        "0",
        "-default_mode",
        "passthrough",
        *x264(),
        path,
    )
    with FileSource(path) as source:
        assert source.info.picture.width == 96
        assert "further video track #1 (h264)" in source.info.stripped


@needs_ffmpeg
def test_sound_packets_of_every_track_come_in_the_same_pass(tmp_path: Path) -> None:
    kinds: list[str] = []
    with FileSource(two_sounds(tmp_path / "in.mp4")) as source:
        assert [(track.codec, track.language) for track in source.info.audio_tracks] == [("aac", "eng"), ("aac", "deu")]
        kinds = ["frame" if isinstance(item, Frame) else f"sound {item.track}" for item in source]
    assert {kind: kinds.count(kind) > 10 for kind in set(kinds)} == {"frame": True, "sound 0": True, "sound 1": True}
    assert kinds.index("sound 1") < len(kinds) / 2


@needs_ffmpeg
@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_orientation_is_what_the_ffmpeg_program_shows(tmp_path: Path, orientation: Orientation) -> None:
    path = with_matrix(tmp_path / "in.mp4", matrix_of(orientation))
    frames, _ = read(path)
    assert frames[0].orientation == orientation
    assert FFMPEG is not None
    shown = subprocess.run(
        [FFMPEG, "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        capture_output=True,
        check=True,
    ).stdout
    width, height = frames[0].upright_size
    coded = frames[0].video.reformat(format="gray").to_ndarray()
    upright = orientation.upright(np.asarray(coded, np.uint8))
    difference = np.abs(upright.astype(int) - np.frombuffer(shown, np.uint8).reshape(height, width))
    assert difference.mean() < 3


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_a_matrix_there_and_back(orientation: Orientation) -> None:
    matrix = matrix_of(orientation)
    assert orientation_of(matrix) == orientation
    assert parse_matrix(np.array(matrix, np.int32).tobytes()) == matrix
    with pytest.raises(ValueError, match="36 bytes"):
        parse_matrix(b"\0" * 35)


@needs_ffmpeg
def test_damage_in_the_middle_is_concealed_and_not_trusted_until_a_key_frame(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = plain(tmp_path / "whole.mp4")
    frames, warnings = read(damaged(tmp_path / "in.mp4", whole))
    trust = [frame.trusted for frame in frames]
    assert 10 <= len(frames) <= 15
    assert trust[0]
    assert trust[-1], "key frame 10 ends the damage"
    assert not all(trust)
    assert any("cannot be decoded" in line or "damage" in line for line in warnings.lines)
    copy(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert len(video_times(tmp_path / "out.mp4")) == len(frames)
    assert capfd.readouterr() == ("", "")


@needs_ffmpeg
def test_a_file_cut_off_in_its_pictures_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    ffmpeg(*picture(seconds=2), *tone(seconds=2), *x264(), "-c:a", "aac", "-movflags", "faststart", whole)
    frames, warnings = read(cut_off(tmp_path / "in.mp4", whole, 0.5))
    assert 10 < len(frames) < 40
    assert any("may be truncated" in line for line in warnings.lines)


@needs_ffmpeg
def test_a_clock_that_starts_anew_goes_on(tmp_path: Path) -> None:
    frames, warnings = read(joined(tmp_path / "in.ts"))
    assert np.diff([frame.video.pts or 0 for frame in frames]).tolist() == [3600] * 29
    assert any("time stamps restart" in line for line in warnings.lines)


@needs_ffmpeg
def test_pictures_that_change_size_take_the_first_ones(tmp_path: Path) -> None:
    for name, size in (("a", "96x64"), ("b", "64x48")):
        encoded(tmp_path / f"{name}.ts", *x264(), size=size)
    path = tmp_path / "in.ts"
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    frames, warnings = read(path)
    assert {(frame.video.width, frame.video.height) for frame in frames} == {(96, 64)}
    assert len(frames) == 30
    assert any("changes to 64x48" in line for line in warnings.lines)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("given", "expected"),
    [("bgr0", "yuv444p"), ("yuv410p", "yuv420p"), ("yuv440p", "yuv444p"), ("yuva420p", "yuv420p")],
)
def test_other_pixel_formats_are_converted_once(tmp_path: Path, given: str, expected: str) -> None:
    path = encoded(tmp_path / "in.mkv", "-c:v", "ffv1", "-pix_fmt", given, seconds=0.12)
    frames, warnings = read(path)
    assert {frame.video.format.name for frame in frames} == {expected}
    assert warnings.lines == [f"pictures are converted from {given} to {expected}"]
    assert main_video(path)["pix_fmt"] == given


def test_damage_reaches_until_a_key_frame_read_after_it() -> None:
    log = DamageLog(latency=2)
    log.key_packet(0)
    assert log.is_trusted(0, key_frame=True, corrupt=False)
    log.decode_failed(5)
    assert log.is_trusted(2, key_frame=False, corrupt=False)
    assert not log.is_trusted(3, key_frame=False, corrupt=False)
    assert not log.is_trusted(4, key_frame=True, corrupt=False), "may have been decoded before the failure"
    assert not log.is_trusted(5, key_frame=False, corrupt=False)
    assert log.is_trusted(6, key_frame=True, corrupt=False)
    assert log.is_trusted(7, key_frame=False, corrupt=False)
    assert not log.is_trusted(8, key_frame=False, corrupt=True)
    assert not log.is_trusted(9, key_frame=False, corrupt=False)


def test_nothing_is_trusted_before_the_first_key_frame() -> None:
    log = DamageLog()
    assert not log.is_trusted(0, key_frame=False, corrupt=False)
    log.key_packet(2)
    assert not log.is_trusted(1, key_frame=False, corrupt=False)
    assert log.is_trusted(3, key_frame=False, corrupt=False), "its key frame may be cut away by an edit list"


def test_warnings_are_said_once_and_counted() -> None:
    said: list[str] = []
    log = WarningLog(said.append)
    for number in range(3):
        log.add("a", f"first {number}")
    log.add("b", "other")
    assert said == ["first 0", "other"]
    assert log.lines == ["first 0 (and 2 more like it)", "other"]
    assert (log.count("a"), log.count("c")) == (3, 0)


_CLOSE_EARLY = """
import logging, sys
from pathlib import Path
import av.logging
logging.getLogger("libav").propagate = False
logging.getLogger("libav").addHandler(logging.NullHandler())
av.logging.set_level(av.logging.TRACE)
from streamer.file.source import FileSource
for _ in range(20):
    FileSource(Path(sys.argv[1]), threads=4).close()
"""


@pytest.mark.slow
@needs_ffmpeg
def test_closing_it_while_its_decoder_works_does_not_hang(tmp_path: Path) -> None:
    path = encoded(tmp_path / "in.mp4", *x264(), size="320x240")
    done = subprocess.run([sys.executable, "-c", _CLOSE_EARLY, str(path)], timeout=60, check=False)
    assert done.returncode == 0


@needs_ffmpeg
def test_matroska_that_is_cut_off_is_said(tmp_path: Path) -> None:
    whole = encoded(tmp_path / "whole.mkv", *x264(), seconds=2)
    assert read(whole)[1].lines == []
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    _, warnings = read(cut)
    assert any("may be truncated" in line for line in warnings.lines) and warnings.damage
