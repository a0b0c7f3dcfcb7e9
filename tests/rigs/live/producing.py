"""A live stream for testing sinks: masked pictures at a steady pace, each with its number in a corner."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from types import TracebackType

import av
import numpy as np
import numpy.typing as npt

from core.config import MaskConfig
from core.frame import Cover, Frame, Region, Verdict
from core.geometry import Box
from core.masked_frame import MaskedFrame
from core.owned_thread import OwnedThread
from core.paint.masker import Masker
from streamer.live.encoder import LiveEncoder
from streamer.live.packet import CLOCK
from streamer.live.status import Snapshot
from streamer.live.stream_output import StreamOutput
from streamer.settings.encoder import LiveEncoderConfig

BITS = 16
CELL = 8  # px: a bit's square, in the top left corner, lowest bit first


def picture(number: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """A moving gradient, BGR (height, width, 3), with `number` in black and white squares."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    bgr: npt.NDArray[np.uint8] = np.stack([(x + 3 * number) % 256, (y + number) % 256, (x + y) % 256], 2).astype("u1")
    for bit in range(BITS):
        bgr[:CELL, bit * CELL : (bit + 1) * CELL] = 255 if number >> bit & 1 else 0
    return bgr


def number_of(bgr: npt.NDArray[np.uint8]) -> int:
    """What `picture` wrote into the corner, after any coding."""
    cells = [bgr[2 : CELL - 2, bit * CELL + 2 : (bit + 1) * CELL - 2].mean() > 128 for bit in range(BITS)]
    return sum(1 << bit for bit, on in enumerate(cells) if on)


def masked(number: int, width: int, height: int, rate: int = 25) -> MaskedFrame:
    """That picture with one region painted in its middle."""
    video = av.VideoFrame.from_ndarray(picture(number, width, height), "bgr24").reformat(format="yuv420p")
    video.pts, video.time_base = number, Fraction(1, rate)
    region = Region(Box(width * 0.4, height * 0.4, width * 0.6, height * 0.6))
    return Masker(MaskConfig()).mask(Frame(number, video, number / rate), Verdict(Cover.SETTLED, (region,)))


class Producer:
    """Publishes to `output` in a thread until the `with` block is left, in real time; loops over `period` pictures."""

    def __init__(
        self, name: str = "door", width: int = 320, height: int = 240, rate: int = 25, period: int = 100
    ) -> None:
        self.output = StreamOutput(name, self._snapshot)
        self.published = 0
        self.paused = threading.Event()
        """While set, nothing is published."""
        self._rate = rate
        self._encoder = LiveEncoder(width, height, Fraction(rate), LiveEncoderConfig(preset="ultrafast"))
        self._pictures = [masked(number, width, height, rate) for number in range(period)]
        self._thread = OwnedThread("veilcast-test-producer", self._run)

    def __enter__(self) -> Producer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.close()
        self.output.close()
        if self._thread.error is not None:
            raise self._thread.error

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.output.name, "settled", "rtsp://camera/door", fps_in=self._rate, fps_out=self._rate)

    def _run(self) -> None:
        begun, number = time.monotonic(), 0
        while not self._thread.stopping.wait(max(0.0, begun + number / self._rate - time.monotonic())):
            if not self.paused.is_set():
                frame = self._pictures[number % len(self._pictures)]
                pts = number * CLOCK // self._rate
                self.output.frames.publish(frame)
                for packet in self._encoder.encode(frame, pts, time.time(), key=self.output.take_key_request()):
                    self.output.publish(packet)
                    self.published += 1
            number += 1
