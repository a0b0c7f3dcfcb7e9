"""Holds frames until their masks are settled, and decides how to cover each."""

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
    """Takes in frames and detector verdicts, each in order; gives out frames with their verdict, in order, each once.

    A frame with no detector verdict within `max_mask_age` seconds is covered whole. There are no threads or clocks
    inside: the same calls give the same results.
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
        """Number of tracks so far."""
        return self._tracker.track_count

    def add(self, frame: Frame, moment: Moment) -> None:
        """Hold a frame; `moment.time` must increase."""
        self._size = frame.upright_size
        self._held.append(_Held(frame, moment))

    def observe(self, moment: Moment, detections: Sequence[Detection] | None) -> bool:
        """Take in the detections of the sample at `moment`; None if the detector failed.

        Returns whether this counts as a verdict. A non-finite box or score, or an empty box, means that the detector
        cannot be trusted on this sample. The sample then counts as failed: dropping only the box could expose a face.
        """
        if moment.scene != self._scene:
            self._scene = moment.scene
            self._tracker.start_scene(moment.scene_start)
        if detections is None or any(not d.box.is_valid() or not 0 <= d.score <= 1.0001 for d in detections):
            return False
        self._tracker.update(moment.time, detections, self._size)
        self._verdicts.append(moment)
        return True

    def release(self, until: float, until_index: int = -1) -> list[tuple[Frame, Verdict]]:
        """Return every held frame up to time `until` or up to frame index `until_index`, with its verdict as of now."""
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
