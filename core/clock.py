"""A clock for ages and intervals that no odd time stamp can stop or turn back."""

from __future__ import annotations

import math

FIRST_STEP = 0.04  # seconds: before a rate is known


class StreamClock:
    """Seconds of stream time, strictly increasing: repeated, missing or backward stamps count as one usual step."""

    def __init__(self) -> None:
        self._now = 0.0
        self._step = FIRST_STEP
        self._stamp: float | None = None

    def tick(self, stamp: float) -> float:
        """The clock's time of the next frame, whose own time stamp is `stamp` seconds."""
        if self._stamp is None or not math.isfinite(self._stamp):
            step = 0.0 if self._stamp is None else self._step
        else:
            step = stamp - self._stamp
            if not step > 0 or not math.isfinite(step):
                step = self._step
            else:
                # One long pause must not become the step that is assumed later.
                self._step = min(step, 2 * self._step)
        self._stamp = stamp
        self._now += step
        return self._now
