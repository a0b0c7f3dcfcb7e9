"""Holds frames until their masks are settled, and says how each is to be covered."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from core.clock import Moment
from core.config import TrackConfig
from core.detect.detection import Detection
from core.frame import BLANKET, Cover, Frame, Verdict
from core.track.tracker import Tracker


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    frame: Frame
    moment: Moment


class Timeline:
    """Frames in, in order; detector verdicts in, in order; frames with their verdict out, in order, each once.

    `max_mask_age` in seconds: a frame with no detector verdict that near is covered whole. It works without
    threads or clocks of its own: the same calls give the same answers.
    """

    def __init__(self, config: TrackConfig, max_mask_age: float) -> None:
        self._tracker = Tracker(config)
        self._keep = config.max_gap + config.hold + max_mask_age
        self._max_mask_age = max_mask_age
        self._held: deque[_Held] = deque()
        self._verdicts: deque[Moment] = deque()
        self._scene = 0
        self._size: tuple[float, float] = (math.inf, math.inf)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def tracks(self) -> int:
        """How many faces there have been."""
        return self._tracker.born

    def add(self, frame: Frame, moment: Moment) -> None:
        """Hold a frame; moments must increase."""
        self._size = frame.upright_size
        self._held.append(_Held(frame, moment))

    def observe(self, moment: Moment, detections: Sequence[Detection] | None) -> bool:
        """Take in what the detector said of the sample at `moment`; None where it failed to say anything.

        Returns whether that counts as a verdict. A box or score that is not finite, or an empty box, means that
        the detector is not to be trusted with this sample: it counts as failed, for dropping the box could
        expose a face.
        """
        if moment.scene != self._scene:
            self._scene = moment.scene
            self._tracker.cut(moment.scene_start)
        if detections is None or any(not d.box.is_valid() or not 0 <= d.score <= 1.0001 for d in detections):
            return False
        self._tracker.update(moment.time, detections, self._size)
        self._verdicts.append(moment)
        return True

    def release(self, until: float, until_index: int = -1) -> list[tuple[Frame, Verdict]]:
        """Give out every held frame up to the time `until`, or up to the frame `until_index`, covered by what
        is known now.
        """
        out = []
        while self._held and (self._held[0].moment.time <= until or self._held[0].frame.index <= until_index):
            held = self._held.popleft()
            out.append((held.frame, self._cover(held)))
        if out:
            now = held.moment.time
            while len(self._verdicts) > 1 and self._verdicts[1].time <= now - self._keep:
                self._verdicts.popleft()
            self._tracker.forget_before(now)
        return out

    def _cover(self, held: _Held) -> Verdict:
        moment = held.moment
        if not held.frame.trusted:
            return BLANKET
        before = after = None
        for verdict in self._verdicts:
            if verdict.scene != moment.scene:
                continue
            if verdict.time <= moment.time:
                before = verdict.time
            if verdict.time >= moment.time:
                after = verdict.time
                break
        if before is None or moment.time - before > self._max_mask_age:
            return BLANKET
        age = moment.time - before
        regions = self._tracker.regions(moment.time)
        if after is not None and after - moment.time <= self._max_mask_age:
            return Verdict(Cover.SETTLED, regions, 0.0)
        return Verdict(Cover.HELD, regions, age)
