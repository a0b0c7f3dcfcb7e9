"""Twelve short good files, together every container and codec that people hand in; the same bytes every time."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from core.pictures.planes import BgrImage
from tests.rigs.faces import carphone, shot

Scene = Literal["walking", "talking", "hopping"]
RATE: Final = 25
SIZE: Final = (320, 240)
PICTURES: Final = 30
_BITEXACT: Final = 0x400  # AVFMT_FLAG_BITEXACT: no random ids, no date of writing


@dataclass(frozen=True)
class Seed:
    """One good file: `name` says container, codec and sound; `container` is FFmpeg's name of the muxer."""

    name: str
    suffix: str
    container: str
    codec: str
    pixels: str
    options: tuple[tuple[str, str], ...] = ()
    sound: str | None = None
    scene: Scene = "walking"
    bit_rate: int = 0


# With macroblock trees x264 does not write the same bytes twice.
_X264: Final = (("preset", "veryfast"), ("crf", "18"), ("g", "10"), ("bf", "2"), ("x264-params", "threads=1:mbtree=0"))
_X265: Final = (
    ("preset", "ultrafast"),
    ("crf", "18"),
    ("x265-params", "keyint=15:bframes=2:pools=none:frame-threads=1:log-level=none:info=0"),
)
SEEDS: Final = (
    Seed("mp4-h264-aac", ".mp4", "mp4", "libx264", "yuv420p", _X264, "aac"),
    Seed("mkv-hevc-opus", ".mkv", "matroska", "libx265", "yuv420p", _X265, "libopus"),
    Seed(
        "webm-vp9-opus",
        ".webm",
        "webm",
        "libvpx-vp9",
        "yuv420p",
        (("deadline", "realtime"), ("cpu-used", "8"), ("crf", "20"), ("b", "0"), ("g", "10")),
        "libopus",
        "talking",
    ),
    Seed(
        "webm-av1", ".webm", "webm", "libsvtav1", "yuv420p",
        (("preset", "10"), ("crf", "24"), ("g", "15"), ("svtav1-params", "lp=1")),
    ),
    Seed(
        "avi-mpeg4-mp3", ".avi", "avi", "mpeg4", "yuv420p",
        (("g", "10"), ("bf", "0")), "libmp3lame", "talking", 1_500_000,
    ),
    Seed("mov-prores-pcm", ".mov", "mov", "prores_ks", "yuv422p10le", (("profile", "0"),), "pcm_s16le", "hopping"),
    Seed("ts-h264-aac", ".ts", "mpegts", "libx264", "yuv420p", _X264, "aac", "talking"),
    Seed("flv-h264-aac", ".flv", "flv", "libx264", "yuv420p", _X264, "aac"),
    Seed("gif", ".gif", "gif", "gif", "rgb8", scene="hopping"),
    Seed("mjpeg", ".mjpeg", "mjpeg", "mjpeg", "yuvj420p", (), None, "talking", 4_000_000),
    Seed("mp4-hevc-aac", ".mp4", "mp4", "libx265", "yuv420p", _X265, "aac", "talking"),
    Seed("mov-mjpeg-pcm", ".mov", "mov", "mjpeg", "yuvj420p", (), "pcm_s16le", "hopping", 4_000_000),
)  # fmt: skip


def cache() -> Path:
    """A folder for the files, another one whenever they would be made in another way."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"veilcast-fuzz-{recipe}"
    folder.mkdir(exist_ok=True)
    return folder


def make(seed: Seed, folder: Path) -> Path:
    """The file; all that are not there yet are written by a process of its own.

    Where it may, SVT-AV1 makes the whole process a real-time one of the highest priority, for ever.
    """
    path = folder / f"{seed.name}{seed.suffix}"
    if not path.exists():
        command = [sys.executable, "-m", "tests.bench.fuzz.seeds", str(folder)]
        environment = os.environ | {"SVT_LOG": "1"}  # of errors alone
        subprocess.run(command, cwd=Path(__file__).parents[3], env=environment, check=True, timeout=120)
    return path


def _make_all(folder: Path) -> None:
    for seed in SEEDS:
        path = folder / f"{seed.name}{seed.suffix}"
        if not path.exists():
            partial = path.with_suffix(".new")
            _write(seed, partial)
            partial.rename(path)


def _write(seed: Seed, path: Path) -> None:
    with av.open(str(path), "w", seed.container) as container:
        container.flags |= _BITEXACT
        video = container.add_stream(seed.codec, RATE, dict(seed.options))
        assert isinstance(video, VideoStream)
        (video.width, video.height), video.pix_fmt = SIZE, seed.pixels
        video.codec_context.thread_count = 1
        if seed.bit_rate:
            video.bit_rate = seed.bit_rate
        sound = None if seed.sound is None else _sound_stream(container, seed.sound)
        for number, bgr in enumerate(pictures(seed.scene)):
            frame = av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(format=seed.pixels, threads=1)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            for piece in _tone(sound):
                container.mux(sound.encode(piece))
            container.mux(sound.encode(None))


@functools.cache
def pictures(scene: Scene) -> Sequence[BgrImage]:
    """A talking man in a car; or the astronaut, who walks by, or is tossed about so fast that time must be right."""
    if scene == "talking":
        large: Sequence[BgrImage] = carphone().pictures[:PICTURES]
    elif scene == "hopping":
        places = [(240 + 110 * math.sin(i / 3), 170 + 40 * math.sin(i / 2)) for i in range(PICTURES)]
        large = [shot(x, y, 90)[0] for x, y in places]
    else:
        shots = [shot(150 + 6 * i if i < 17 else 390 - 6 * i, 130 + i, 130 if i < 17 else 100) for i in range(PICTURES)]
        large = [picture for picture, _ in shots]
    return [np.asarray(cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA), np.uint8) for picture in large]


def _sound_stream(container: av.container.OutputContainer, codec: str) -> AudioStream:
    sound = container.add_stream(codec, 48_000)
    assert isinstance(sound, AudioStream)
    sound.codec_context.layout = "mono"
    return sound


def _tone(sound: AudioStream) -> list[av.AudioFrame]:
    rate, total = 48_000, 48_000 * PICTURES // RATE
    wave: npt.NDArray[np.float32] = (0.3 * np.sin(2 * np.pi * 440 * np.arange(total) / rate)).astype(np.float32)
    frames = []
    for begin in range(0, total, 960):
        piece = wave[None, begin : begin + 960]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        frames.append(frame)
    return frames


if __name__ == "__main__":
    _make_all(Path(sys.argv[1]))
