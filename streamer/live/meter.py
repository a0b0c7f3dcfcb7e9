"""Counters and rates of a live stream, readable from other threads."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from core.masked_frame import MaskedFrame
from streamer.live.faults import Fault, Faults
from streamer.live.status import StreamState

WINDOW = 2.0  # seconds over which rates are measured
DELAYS = 500  # frames over which delays are measured
SOON = 0.5  # seconds of events needed for a rate
LATE = 0.04  # seconds past the deadline from which a frame counts as late


class Rate:
    """Events per second over the last `WINDOW` seconds. Not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque()
        self._since = 0.0

    def count(self) -> None:
        """Count an event now."""
        self._forget()
        if not self._times:
            self._since = self._clock()
        self._times.append(self._clock())
        self._forget()

    def per_second(self) -> float:
        """The current rate; 0 if there were no events lately, and during the first half second."""
        self._forget()
        span = self._clock() - self._since
        # The first event only starts the span, so it does not count.
        return (len(self._times) - (span < WINDOW)) / min(WINDOW, span) if self._times and span >= SOON else 0.0

    def _forget(self) -> None:
        while self._times and self._times[0] < self._clock() - WINDOW:
            self._times.popleft()


class Meter:
    """Written by the stream's thread, readable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._out, self._in = Rate(), Rate()
        self._delays: deque[float] = deque(maxlen=DELAYS)
        self._faults = Faults()
        self.frames: Counter[str] = Counter()
        self.frames_in = 0
        self.late = 0
        self.state: StreamState = "starting"
        self.faces = 0
        self.mask_age = float("inf")

    def frame_in(self) -> None:
        """A picture arrived from the source."""
        with self._lock:
            self.frames_in += 1
            self._in.count()

    def frame_out(self, masked: MaskedFrame, delay: float, behind: float) -> None:
        """A masked picture was published, `delay` seconds after it arrived and `behind` seconds after its deadline."""
        with self._lock:
            self._out.count()
            self._delays.append(delay)
            self.late += behind > LATE
            self.frames[masked.cover.value] += 1
            self.state = masked.cover.value
            self.faces, self.mask_age = masked.faces, masked.mask_age

    def slate_out(self) -> None:
        """A slate was published instead of a picture."""
        with self._lock:
            self._out.count()
            self.frames["slate"] += 1
            self.state, self.faces, self.mask_age = "offline", 0, float("inf")

    def error(self, text: str) -> None:
        """Record a fault; `text` is one line without credentials."""
        with self._lock:
            self._faults.add(text)

    def faults(self) -> tuple[Fault, ...]:
        """Current faults, most recent last."""
        with self._lock:
            return self._faults.current()

    def rates(self) -> tuple[float, float]:
        """Frames per second in and out."""
        with self._lock:
            return self._in.per_second(), self._out.per_second()

    def delay(self) -> tuple[float, float]:
        """Median and 95th percentile of the delay, in seconds."""
        with self._lock:
            delays = sorted(self._delays)
        if not delays:
            return 0.0, 0.0
        return delays[len(delays) // 2], delays[min(len(delays) - 1, len(delays) * 95 // 100)]
