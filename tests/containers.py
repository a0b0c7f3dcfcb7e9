"""Builds small videos of every awkward kind, and reads results back with the ffmpeg program, not with this project."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

FFMPEG, FFPROBE = shutil.which("ffmpeg"), shutil.which("ffprobe")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None or FFPROBE is None, reason="needs the ffmpeg program")

Tags = dict[str, str]


def ffmpeg(*arguments: str | Path) -> str:
    """Run ffmpeg; its standard output."""
    assert FFMPEG is not None
    done = subprocess.run(
        [FFMPEG, "-v", "error", "-y", "-nostdin", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def probe(path: Path, *arguments: str) -> dict[str, list[dict[str, object]]]:
    """What ffprobe says, parsed."""
    assert FFPROBE is not None
    out = subprocess.run(
        [FFPROBE, "-v", "error", "-of", "json", *arguments, str(path)], capture_output=True, check=True
    )
    parsed: dict[str, list[dict[str, object]]] = json.loads(out.stdout)
    return parsed


def streams(path: Path, kind: str) -> list[dict[str, object]]:
    """The streams of one kind (v, a, s, d), cover art among the video."""
    return probe(path, "-show_streams", "-select_streams", kind)["streams"]


def video_times(path: Path) -> list[Fraction]:
    """The pts of every shown frame in seconds, exact, in the order that a player shows them."""
    base = Fraction(str(streams(path, "v:0")[0]["time_base"]))
    frames = probe(path, "-select_streams", "v:0", "-show_entries", "frame=pts")["frames"]
    return [int(str(frame["pts"])) * base for frame in frames]


def duration(path: Path, kind: str = "v:0") -> Fraction:
    """Seconds that a stream says it lasts."""
    stream = streams(path, kind)[0]
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


def picture(size: str = "96x64", rate: str = "25", seconds: float = 0.8) -> list[str]:
    """Input arguments for a moving test picture."""
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}"]


def tone(frequency: int = 440, seconds: float = 0.8, rate: int = 48_000) -> list[str]:
    """Input arguments for a tone."""
    return ["-f", "lavfi", "-i", f"sine=frequency={frequency}:sample_rate={rate}:duration={seconds}"]


def x264(*more: str) -> list[str]:
    """Encoder arguments: quick, with B-frames and more than one group of pictures."""
    return ["-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-bf", "2", *more]


def plain(path: Path) -> Path:
    """H.264 with B-frames and AAC."""
    ffmpeg(*picture(), *tone(), *x264("-pix_fmt", "yuv420p"), "-c:a", "aac", path)
    return path
