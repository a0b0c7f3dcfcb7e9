"""Builds small videos of every awkward kind, and reads results back with the ffmpeg program, not with this project."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import pytest

FFMPEG, FFPROBE = shutil.which("ffmpeg"), shutil.which("ffprobe")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None or FFPROBE is None, reason="needs the ffmpeg program")


_made: dict[tuple[str, ...], bytes] = {}


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg; the last argument is the file to write. What depends on no other file is made only once."""
    assert FFMPEG is not None
    *given, target = arguments
    assert isinstance(target, Path)
    recipe = (
        None if any(str(target.parent) in str(argument) for argument in given) else (*map(str, given), target.suffix)
    )
    if recipe is not None and recipe in _made:
        target.write_bytes(_made[recipe])
        return
    _run(arguments)
    if recipe is not None:
        _made[recipe] = target.read_bytes()


def _run(arguments: Sequence[str | Path]) -> None:
    assert FFMPEG is not None
    done = subprocess.run(
        [FFMPEG, "-v", "error", "-y", "-nostdin", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def probe(path: Path, *arguments: str) -> dict[str, list[dict[str, object]]]:
    """What ffprobe says, parsed."""
    assert FFPROBE is not None
    out = subprocess.run(
        [FFPROBE, "-v", "error", "-of", "json", *arguments, str(path)], capture_output=True, check=True
    )
    parsed: dict[str, list[dict[str, object]]] = json.loads(out.stdout)
    return parsed


@lru_cache(maxsize=16)
def _look(path: Path) -> dict[str, list[dict[str, object]]]:
    return probe(path, "-show_streams", "-show_entries", "frame=media_type,stream_index,pts")


def streams(path: Path, kind: str) -> list[dict[str, object]]:
    """The streams of one kind: video, audio, subtitle, data; cover art is among the video."""
    return [stream for stream in _look(path)["streams"] if stream.get("codec_type") == kind]


def main_video(path: Path) -> dict[str, object]:
    """The video stream that is not cover art."""
    return next(s for s in streams(path, "video") if not s["disposition"]["attached_pic"])  # type: ignore[index]


def video_times(path: Path) -> list[Fraction]:
    """The pts of every shown frame in seconds, exact, in the order that a player shows them."""
    stream = main_video(path)
    base = Fraction(str(stream["time_base"]))
    return [int(str(f["pts"])) * base for f in _look(path)["frames"] if f["stream_index"] == stream["index"]]


def duration(path: Path) -> Fraction:
    """Seconds that the video stream says it lasts."""
    stream = main_video(path)
    return int(str(stream["duration_ts"])) * Fraction(str(stream["time_base"]))


def sound_hash(path: Path, track: int = 0) -> str:
    """SHA-256 over the payload of every packet of a sound track, edit lists ignored."""
    assert FFMPEG is not None
    raw = subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", "-i", str(path), "-map", f"0:a:{track}", "-c", "copy", "-f", "data", "-"],
        capture_output=True,
        check=True,
    )
    assert raw.stdout
    return hashlib.sha256(raw.stdout).hexdigest()


def picture(size: str = "96x64", rate: str = "25", seconds: float = 0.6) -> list[str]:
    """Input arguments for a moving test picture."""
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def tone(frequency: int = 440, seconds: float = 0.6, rate: int = 48_000) -> list[str]:
    """Input arguments for a tone."""
    return ["-f", "lavfi", "-i", f"sine=frequency={frequency}:sample_rate={rate}:duration={seconds}"]


def x264(*more: str) -> list[str]:
    """Encoder arguments: quick, with B-frames and more than one group of pictures."""
    return ["-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-bf", "2", *more]


def plain(path: Path) -> Path:
    """H.264 with B-frames and AAC."""
    ffmpeg(*picture(), *tone(), *x264("-pix_fmt", "yuv420p"), "-c:a", "aac", path)
    return path


def encoded(path: Path, *arguments: str, size: str = "96x64", seconds: float = 0.6) -> Path:
    """A video without sound, made with these encoder and filter arguments."""
    ffmpeg(*picture(size, seconds=seconds), *arguments, path)
    return path


def two_sounds(path: Path) -> Path:
    """An English track of 48 kHz and a German one of 44.1 kHz, the second one default."""
    ffmpeg(
        *(*picture(), *tone(), *tone(660, rate=44_100), "-map", "0", "-map", "1", "-map", "2", *x264()),
        *("-c:a", "aac", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"),
        *("-disposition:a:0", "0", "-disposition:a:1", "default", path),
    )
    return path


def edited(path: Path) -> Path:
    """Cut without encoding in the middle of a group of pictures: an edit list hides the frames before the cut."""
    whole = plain(path.with_name(f"whole{path.suffix}"))
    ffmpeg("-ss", "0.2", "-i", whole, "-c", "copy", path)
    whole.unlink()
    return path


def tagged(path: Path) -> Path:
    """A phone's recording: place, device, title, comment, chapters, subtitles."""
    chapters = path.with_suffix(".txt")
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=Ann speaks\n")
    subtitles = path.with_suffix(".srt")
    subtitles.write_text("1\n00:00:00,000 --> 00:00:00,500\nHello Ann\n")
    ffmpeg(
        *(
            *picture(),
            *tone(),
            "-i",
            str(chapters),
            "-i",
            str(subtitles),
            "-map",
            "0",
            "-map",
            "1",
            "-map",
            "3",
            *x264(),
        ),
        *("-c:a", "aac", "-c:s", "mov_text", "-map_metadata", "2", "-map_chapters", "2"),
        *("-movflags", "use_metadata_tags", "-metadata", "title=Ann at home", "-metadata", "make=Acme"),
        *(
            "-metadata",
            "com.apple.quicktime.location.ISO6709=+52.3702+004.8952/",
            "-metadata",
            "location=+52.3702+004.8952/",
        ),
        *("-metadata", "creation_time=2024-05-01T10:00:00Z", "-metadata", "comment=secret", path),
    )
    return path


def with_cover(path: Path) -> Path:
    """Cover art, larger than the video."""
    video = encoded(path.with_name("bare.mp4"), *x264())
    cover = path.with_name("cover.png")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=320x240", "-frames:v", "1", cover)
    ffmpeg("-i", cover, "-i", video, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", path)
    return path


def joined(path: Path) -> Path:
    """Two recordings one after the other, each with a clock that starts at 20 s."""
    part = path.with_name("part.ts")
    ffmpeg(*picture(), *tone(), *x264(), "-c:a", "aac", "-output_ts_offset", "20", part)
    path.write_bytes(part.read_bytes() * 2)
    return path


def with_matrix(path: Path, matrix: Sequence[int]) -> Path:
    """A video with this display matrix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height = 96, 64
        stream.set_display_matrix(matrix)
        for frame in moving_pictures(6):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def with_times(path: Path, times: Sequence[int], base: Fraction) -> Path:
    """A video without B-frames whose frames have exactly these pts."""
    with av.open(
        str(path), "w", container_options={"avoid_negative_ts": "disabled", "mpegts_copyts": "1"}
    ) as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "bf": "0"})
        stream.width, stream.height = 96, 64
        stream.time_base = base
        packets = [packet for frame in moving_pictures(len(times)) for packet in stream.encode(frame)]
        packets += stream.encode(None)
        for packet, time in zip(packets, times, strict=True):
            packet.time_base, packet.pts, packet.dts = base, time, time
            container.mux(packet)
    return path


def moving_pictures(count: int, size: tuple[int, int] = (96, 64)) -> Iterator[av.VideoFrame]:
    """Grey ramps that move."""
    for index in range(count):
        ramp = (np.arange(size[0])[None, :] * 2 + np.arange(size[1] * 3 // 2)[:, None] + 5 * index) % 256
        frame = av.VideoFrame.from_ndarray(ramp.astype(np.uint8), "yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, 25)
        yield frame


def damaged(path: Path, source: Path, share: float = 0.5, length: int = 400) -> Path:
    """`source` with `length` bytes of its media data overwritten, beginning at this share of the media data."""
    raw = bytearray(source.read_bytes())
    start, size = _media_data(raw)
    begin = start + int(size * share)
    raw[begin : begin + length] = b"\x5a" * length
    path.write_bytes(raw)
    return path


def cut_off(path: Path, source: Path, share: float) -> Path:
    """The beginning of `source`, up to this share of its media data."""
    raw = bytearray(source.read_bytes())
    start, size = _media_data(raw)
    path.write_bytes(raw[: start + int(size * share)])
    return path


def _media_data(raw: bytearray) -> tuple[int, int]:
    offset = 0
    while raw[offset + 4 : offset + 8] != b"mdat":
        offset += int.from_bytes(raw[offset : offset + 4], "big")
    return offset + 8, int.from_bytes(raw[offset : offset + 4], "big") - 8


def wrong_count(path: Path) -> Path:
    """An AVI whose headers claim 999 frames."""
    encoded(path, "-c:v", "mpeg4", "-bf", "0")
    raw = bytearray(path.read_bytes())
    main, stream = raw.index(b"avih") + 8, raw.index(b"strh") + 8
    raw[main + 16 : main + 20] = raw[stream + 32 : stream + 36] = (999).to_bytes(4, "little")
    path.write_bytes(raw)
    return path


def damaged_sound(path: Path, source: Path) -> Path:
    """`source` with the second half of every third sound packet gone, the first bytes of another third spoilt.

    Without B-frames only.
    """
    kind = {"ts": "mpegts", "mkv": "matroska"}.get(path.suffix[1:])
    with av.open(str(source)) as read, av.open(str(path), "w", kind) as write:
        streams_out = {stream.index: write.add_stream_from_template(stream) for stream in read.streams}
        count = 0
        for packet in read.demux():
            if not packet.size:
                continue
            given, times = packet, (packet.pts, packet.dts, packet.duration, packet.time_base)
            if packet.stream.type == "audio":
                data, count = bytes(packet), count + 1
                if count > 2 and count % 3 == 0:
                    given = av.Packet(data[: len(data) // 2])
                elif count > 2 and count % 3 == 1:
                    given = av.Packet(b"\x5a" * 8 + data[8:])
            index = packet.stream_index
            given.is_keyframe = packet.is_keyframe
            given.pts, given.dts, given.duration, given.time_base = times
            given.stream = streams_out[index]
            write.mux(given)
    return path
