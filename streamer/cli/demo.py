"""`veilcast demo`: the main job on a real picture of a face that comes with the program."""

from __future__ import annotations

import threading
from fractions import Fraction
from importlib import resources
from pathlib import Path

import av
import cv2
import numpy as np
from av.error import FFmpegError
from rich.console import Console

from core.pictures.planes import BgrImage
from streamer.errors import OutputError
from streamer.file.job import anonymize_file

SIZE = (640, 480)
RATE = 25
FRAMES = 75


def run_demo(directory: Path, console: Console, interrupt: threading.Event | None = None) -> int:
    """Leave a moving picture, its masked copy and both side by side in `directory`; returns the exit code.

    Raises OutputError when the directory cannot be written, InterruptedJobError once `interrupt` is set.
    """
    clip, masked, picture = (directory / name for name in ("astronaut.mp4", "astronaut.masked.mp4", "before-after.png"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_clip(clip)
    except (OSError, FFmpegError) as error:
        raise OutputError(directory, f"cannot be written ({error.strerror or error})") from error
    report = anonymize_file(clip, masked, overwrite=True, interrupt=interrupt)
    pair = np.hstack([_frame(clip, FRAMES // 2), _frame(masked, FRAMES // 2)])
    if not cv2.imwrite(str(picture), pair):
        raise OutputError(picture, "cannot be written")
    for path in (clip, masked, picture):
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    console.print(f"{report.frames} frames, {report.faces} face followed, {report.seconds.blanket:.1f} s blanket")
    return 0 if report.faces and not report.failed_samples else 1


def write_clip(path: Path) -> None:
    """A slow pan and zoom over the photograph, H.264, 3 seconds."""
    data = resources.files("streamer.cli").joinpath("assets/astronaut.jpg").read_bytes()
    photograph = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE, {"crf": "16", "preset": "veryfast"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(view(photograph, index / (FRAMES - 1)), "bgr24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def view(photograph: BgrImage, part: float) -> BgrImage:
    """The piece of the photograph that the clip shows at `part` of its length, 0 to 1; shape (480, 640, 3)."""
    height, width = photograph.shape[:2]
    zoom = 1 + 0.5 * part
    wide, high = width / zoom, width * SIZE[1] / SIZE[0] / zoom
    x, y = (width - wide) * (1 - part) * 0.5, (height - high) * 0.05
    matrix = np.array([[SIZE[0] / wide, 0, -x * SIZE[0] / wide], [0, SIZE[1] / high, -y * SIZE[1] / high]])
    return np.asarray(cv2.warpAffine(photograph, matrix, SIZE, flags=cv2.INTER_LINEAR), np.uint8)


def _frame(path: Path, index: int) -> BgrImage:
    with av.open(str(path)) as container:
        for count, frame in enumerate(container.decode(video=0)):
            if count == index:
                return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    raise OutputError(path, f"has no frame {index}")
