"""A clock for ages and intervals that no odd time stamp can stop or turn back."""

from __future__ import annotations

import math
from dataclasses import dataclass

FIRST_STEP = 0.04  # seconds: before a rate is known
SHORTEST_STEP = 1 / 65  # seconds: stamps closer than this are wrong, or those of slow motion ...
ASSUMED_STEP = 1 / 30  # ... and then this much is taken to lie between two pictures
LONGEST_STEP = 3600.0  # seconds: adding a step to a far greater number would change nothing


class StreamClock:
    """Seconds of stream time, strictly increasing: repeated, missing or backward stamps count as one usual step.

    A thousand pictures a second are no reason to pass over most of them: steps too short count as `ASSUMED_STEP`.
    """

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
                step = min(step, LONGEST_STEP) if step >= SHORTEST_STEP else ASSUMED_STEP
                # One long pause must not become the step that is assumed later.
                self._step = min(step, 2 * self._step)
        self._stamp = stamp
        self._now += step
        return self._now


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame's place in the stream: `time` in seconds on the engine's clock, `scene` counted from 1.

    `scene_start` is the time at which its scene began.
    """

    time: float
    scene: int
    scene_start: float
