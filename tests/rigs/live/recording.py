"""Packets to be recorded without waiting for a camera, and what can be read from the files."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.live.encoder import LiveEncoder
from streamer.live.packet import CLOCK, VideoPacket
from streamer.live.recording.recorder import Recorder
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.settings.encoder import LiveEncoderConfig
from streamer.settings.recording import ContainerName, RecordConfig
from tests.rigs.live.producing import masked, number_of

WAIT = 30.0
RATE = 25
CONTAINERS: list[ContainerName] = ["mp4", "mkv"]


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def encoded(
    count: int, first: int = 0, size: tuple[int, int] = (320, 240), key: int = 25, captured: float = 1.8e9
) -> list[VideoPacket]:
    """Packets of numbered pictures, a key frame every `key` of them; the clock does not move."""
    encoder = LiveEncoder(*size, Fraction(RATE), LiveEncoderConfig(preset="ultrafast", key_interval=30))
    return [
        packet
        for n in range(first, first + count)
        for packet in encoder.encode(masked(n, *size), n * CLOCK // RATE, captured, key=(n - first) % key == 0)
    ]


def output(name: str = "door") -> StreamOutput:
    return StreamOutput(name, lambda: Snapshot(name))


def record(folder: Path, packets: list[VideoPacket], config: RecordConfig, name: str = "door") -> list[Path]:
    """The files, in the order in which they were written, of packets that are there all at once."""
    stream = output(name)
    recorder = Recorder(stream, folder, config)
    recorder.start()
    for packet in packets:
        stream.publish(packet)
        until(lambda: recorder._subscription is None or len(recorder._subscription) < 100)
    assert recorder.close(WAIT)
    assert recorder.trouble is None and recorder.drops == 0
    return sorted(recorder.folder.iterdir(), key=lambda path: (len(path.name), path.name))


def killed_while_recording(script: str, folder: Path, container: str) -> Path:
    """The file that `script` was writing when it was killed, after 180 pictures in fragments of 13; it must be whole.

    The script prints "written" when it has handed everything over. There is one key frame only, so that nothing but
    the fragments saves what came after it.
    """
    command = [sys.executable, "-c", script, str(folder), container]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    (path,) = (folder / "door").iterdir()
    numbers = [number for number, _ in pictures(path)]
    assert numbers == list(range(len(numbers))) and 180 - 2 * 13 <= len(numbers) <= 180
    decode = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "null", "-"]
    assert subprocess.run(decode, capture_output=True, text=True, timeout=WAIT, check=True).stderr == ""
    return path


def pictures(path: Path) -> list[tuple[int, float]]:
    """Number and time of every picture."""
    with av.open(path) as container:
        return [
            (number_of(frame.to_ndarray(format="bgr24").astype(np.uint8)), float(frame.time or 0.0))
            for frame in container.decode(video=0)
        ]


def probe(path: Path) -> dict[str, str]:
    """What ffprobe says, all of it as text."""
    if shutil.which("ffprobe") is None:
        pytest.skip("needs ffprobe (Debian: ffmpeg)")
    entries = "format=duration,start_time:format_tags:stream=codec_name,width,height,avg_frame_rate"
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=True)
    assert done.stderr == ""
    read = json.loads(done.stdout)
    merged = {**read["streams"][0], **read["format"], **read["format"].get("tags", {})}
    return {key: str(value) for key, value in merged.items()}
