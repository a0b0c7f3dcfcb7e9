"""A monotonic clock for ages and intervals, robust against bad time stamps."""

from __future__ import annotations

import math
from dataclasses import dataclass

FIRST_STEP = 0.04  # seconds; used until the frame rate is known
SHORTEST_STEP = 1 / 65  # seconds; time stamps closer than this are wrong or slow motion ...
ASSUMED_STEP = 1 / 30  # ... and then two pictures are assumed to be this far apart
LONGEST_STEP = 3600.0  # seconds; adding a small step to a far larger number would change nothing


class StreamClock:
    """Stream time in seconds, strictly increasing. A repeated, missing or backward stamp counts as one usual step.

    Steps that are too short count as `ASSUMED_STEP`, so that a claimed 1000 fps does not make most frames go unsampled.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._step = FIRST_STEP
        self._stamp: float | None = None

    def tick(self, stamp: float) -> float:
        """Time of the next frame on this clock; `stamp` is the frame's own time stamp in seconds."""
        if self._stamp is None or not math.isfinite(self._stamp):
            step = 0.0 if self._stamp is None else self._step
        else:
            step = stamp - self._stamp
            if not step > 0 or not math.isfinite(step):
                step = self._step
            else:
                step = min(step, LONGEST_STEP) if step >= SHORTEST_STEP else ASSUMED_STEP
                # One long pause must not become the usual step.
                self._step = min(step, 2 * self._step)
        self._stamp = stamp
        self._now += step
        return self._now


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame's position in the stream.

    `time` is in seconds on the engine's clock, `scene` counts scenes from 1, `scene_start` is when its scene began.
    """

    time: float
    scene: int
    scene_start: float
