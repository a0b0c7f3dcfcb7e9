"""Recordings that are long enough to be cut, and small enough to be masked in seconds."""

from __future__ import annotations

from pathlib import Path

from streamer.settings.file import Settings
from tests.rigs.containers import ffmpeg

RATE = 5
SECONDS = 130

QUICK = Settings.model_validate(
    {"detect": {"scales": [{"long_side": 160}], "second": {"detector": "none"}, "turned_interval": 0}}
)
"""Looks once, and not closely: these recordings show no faces."""

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
SOUND = ("-f", "lavfi", "-i", "sine=440:sample_rate=16000:duration=600")
OTHER_SOUND = ("-f", "lavfi", "-i", "sine=880:sample_rate=8000:duration=600")


def recording(
    target: Path, *options: str, seconds: int = SECONDS, sounds: int = 1, video: str = "testsrc2", gop: int = 20
) -> Path:
    """Write a moving test picture of `seconds`, with so many audio tracks; `options` are ffmpeg's, codec included."""
    inputs = [*SOUND, *OTHER_SOUND][: 4 * sounds]
    tracks = [word for number in range(sounds + 1) for word in ("-map", str(number))]
    source = ("-f", "lavfi", "-i", f"{video}=size=96x64:rate={RATE}:duration={seconds}")
    ffmpeg(*source, *inputs, *tracks, *(options or H264), "-g", str(gop), "-shortest", target)
    return target
