"""Milliseconds of CPU a frame that masking takes, by style and picture: `python tests/bench/bench_masker.py`."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import av
import cv2
import numpy as np

from core.config import MaskConfig, ZoneConfig
from core.frame import BLANKET, Cover, Frame, Region, Verdict
from core.geometry import Box
from core.paint.masker import Masker
from core.pictures.planes import crop, luma_thumbnail, shrink

_ROUNDS = 78  # three seconds: colours are taken anew three times
_SIZE = (1920, 1080)


def _frame(pixel_format: str) -> Frame:
    noise = np.random.default_rng(0).integers(0, 255, (270, 480, 3), dtype=np.uint8)
    picture = np.asarray(cv2.resize(noise, _SIZE), np.uint8)
    return Frame(0, av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=pixel_format), 0.0)


def _verdict(sizes: list[tuple[float, float]], round_number: int) -> Verdict:
    # Positions and sizes change a little from frame to frame, as those of real faces do.
    shift = round_number * 1.3
    boxes = []
    for i, (width, height) in enumerate(sizes):
        x, y = 40.3 + 180 * (i % 10) + shift, 60.7 + shift * 0.7
        boxes.append(Box(x, y, x + width + shift % 5, y + height + shift % 7))
    return Verdict(Cover.SETTLED, tuple(Region(box, i) for i, box in enumerate(boxes)))


def _cpu_ms(work: Callable[[int], object]) -> tuple[float, float, float]:
    """Median, mean and worst milliseconds of CPU of a call, the first few left out."""
    taken = []
    for i in range(_ROUNDS):
        start = time.process_time()
        work(i)
        taken.append((time.process_time() - start) * 1e3)
    return float(np.median(taken[3:])), float(np.mean(taken[3:])), max(taken[3:])


def _line(name: str, work: Callable[[int], object]) -> None:
    median, mean, worst = _cpu_ms(work)
    sys.stdout.write(f"{name:44s} {median:7.2f} ms   mean {mean:7.2f} ms   worst {worst:7.2f} ms\n")


def _masking(masker: Masker, frame: Frame, verdict_at: Callable[[int], Verdict]) -> Callable[[int], object]:
    return lambda i: masker.mask(replace(frame, time=i / 25), verdict_at(i))


def _encoded() -> io.BytesIO:
    clip = io.BytesIO()
    with av.open(clip, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height = _SIZE
        for i in range(_ROUNDS):
            frame = _frame("yuv420p").video
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    clip.seek(0)
    return clip


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    scenes = {
        "10 faces of 120x160": [(120.0, 160.0)] * 10,
        "1 face of 600x800": [(600.0, 800.0)],
        "40 faces of 30x40": [(30.0, 40.0)] * 40,
    }
    for pixel_format in ("yuv420p", "yuv420p10le", "nv12"):
        frame = _frame(pixel_format)
        for style in ("veil", "blur", "mosaic", "solid"):
            masker = Masker(MaskConfig.model_validate({"style": style}))
            for name, sizes in scenes.items():
                verdict_at = partial(_verdict, sizes)
                _line(f"{pixel_format} {style}: {name}", _masking(masker, frame, verdict_at))
            _line(f"{pixel_format} {style}: blanket", _masking(masker, frame, lambda i: BLANKET))
    frame = _frame("yuv420p")
    zoned = Masker(MaskConfig(), [ZoneConfig(points=((0.1, 0.1), (0.4, 0.1), (0.3, 0.5), (0.1, 0.4)))])
    _line("yuv420p veil: one zone, no face", _masking(zoned, frame, partial(_verdict, [])))
    with av.open(_encoded(), "r") as clip:
        clip.streams.video[0].codec_context.thread_count = 1  # the decoder still holds each frame as a reference
        decoded = clip.decode(video=0)
        _line("decode alone", lambda i: next(decoded))
    with av.open(_encoded(), "r") as clip:
        clip.streams.video[0].codec_context.thread_count = 1
        fresh = clip.decode(video=0)
        _line("decode and make_writable", lambda i: next(fresh).make_writable())
    held = frame.video
    _line("make_writable of a frame nobody else holds", lambda i: held.make_writable())
    source = frame.video
    _line("shrink to 640x384", lambda i: shrink(source, 640, 384))
    _line("crop of 300x400 to 160x160", lambda i: crop(source, Box(500, 100, 800, 500), 160, 160))
    _line("luma thumbnail", lambda i: luma_thumbnail(source))


if __name__ == "__main__":
    main()
