"""The engine for live streams: every frame leaves on its deadline, with the best mask available by then."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from core.clock import Moment
from core.config import EngineConfig, MaskConfig, ZoneConfig
from core.detect.detection import Detector
from core.detect.detector_thread import DetectorThread, Sample
from core.engine import Engine, Stats, Taken
from core.frame import Frame
from core.masked_frame import MaskedFrame
from core.pictures.planes import copied

MAX_FRAMES = 256
"""Maximum number of held frames, whatever the look-ahead: a source at thousands of fps must not fill the memory."""

DEPTH = 3  # one running and both sides of a cut; otherwise sampling the newest frame beats queueing older ones
MAX_ABANDONED = 3  # detector threads that hang forever
MAX_FAILURES = 20  # failed samples in a row: a detector that did not load properly does not recover
FIRST_RETRY, LONGEST_RETRY = 0.5, 4.0  # seconds until an abandoned detector is restarted


class LiveAnonymizer:
    """Masks the frames of a live stream, delayed by the look-ahead (`config.timeline.look_ahead` seconds).

    `push` takes in a frame, `poll` returns the frames whose deadline has passed; neither ever blocks. `now` is in
    seconds on any monotonic clock, the same one for all calls. A verdict that comes after a frame's deadline does not
    count for that frame: its boxes are held and grow, and past `max_mask_age` the frame is blanket. A detector that
    dies, keeps failing, or does not answer for `detector_timeout` seconds is replaced; the same rules apply meanwhile.

    `make_detector` replaces the configured detector; it is called in the detector thread.
    """

    def __init__(self, config: EngineConfig, make_detector: Callable[[], Detector] | None = None) -> None:
        self._config = config
        self._engine = Engine(config, make_detector)
        self._deadlines: deque[tuple[float, Moment, int]] = deque()
        self._worker: DetectorThread | None = self._engine.start_worker(DEPTH, hurried=True)
        self._abandoned: list[DetectorThread] = []
        self._under_way = 0
        self._waiting_since = self._polled = 0.0
        self._retry_at, self._retry_after = 0.0, FIRST_RETRY
        self._sample_due = False
        self._previous: Taken | None = None
        self._failures = 0
        self._released = -1
        self._sampled = -1
        self._sampled_scene = -1
        self.samples_skipped = 0
        """Samples that were due while the detector was busy; the next frame is sampled instead."""

    def __enter__(self) -> LiveAnonymizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stats(self) -> Stats:
        """Counters so far."""
        return self._engine.stats

    @property
    def next_deadline(self) -> float | None:
        """When the next frame must leave, on the clock of `now`; None if no frame is held."""
        return self._deadlines[0][0] if self._deadlines else None

    def __len__(self) -> int:
        return len(self._deadlines)

    def close(self) -> None:
        """Stop the detector thread. Held frames are dropped."""
        worker, self._worker = self._worker, None
        stopped = [hanging.close(timeout=0.2) for hanging in self._abandoned]
        if worker is not None:
            stopped.append(worker.close())
        if not all(stopped):
            self.stats.error("the detector thread did not stop")

    def repaint(self, mask: MaskConfig, zones: Sequence[ZoneConfig]) -> None:
        """Use these mask settings and zones from the next frame on."""
        self._engine.repaint(mask, zones)

    def push(self, frame: Frame, now: float, *, cut: bool = False) -> None:
        """Take in the next frame. `cut`: the source knows that it does not continue from the previous one."""
        taken, previous = self._engine.take(frame, cut=cut), self._previous
        self._previous = taken
        self._deadlines.append((now + self._config.timeline.look_ahead, taken.moment, frame.index))
        known = max(self._released, self._sampled)
        if taken.new_scene and not cut and previous is not None and previous.frame.index > known:
            self._sample(previous, now, DEPTH - 1)
        if not frame.trusted:
            return
        forced = taken.new_scene or self._sample_due
        if self._engine.wants(taken, forced=forced):
            self._sample_due = not self._sample(taken, now, DEPTH if taken.new_scene else 1)
            self.samples_skipped += self._sample_due

    def poll(self, now: float) -> list[MaskedFrame]:
        """The frames whose deadline has passed, in order, each exactly once."""
        self._polled = now
        self._take_verdicts(now)
        self._watch(now)
        return self._release(now)

    def flush(self) -> list[MaskedFrame]:
        """No more frames: returns all frames still held, with the best masks available now."""
        self._take_verdicts(self._polled)
        return self._release(math.inf)

    def _release(self, now: float) -> list[MaskedFrame]:
        due: tuple[float, Moment, int] | None = None
        while self._deadlines and (self._deadlines[0][0] <= now or len(self._deadlines) > MAX_FRAMES):
            due = self._deadlines.popleft()
        if due is None:
            return []
        self._released = due[2]
        return self._engine.release(due[1].time)

    def _sample(self, taken: Taken, now: float, depth: int) -> bool:
        """Submit a copy of the frame, which may be painted before the detector runs; False if the detector is busy."""
        frame, moment = taken.frame, taken.moment
        if self._worker is None or not frame.trusted or self._under_way >= depth:
            return False
        picture = replace(frame, video=copied(frame.video))
        # Never `isolated`: running all sizes on every sample would make masks late, which is worse.
        # A scene starts with its first sample, not its first frame: the detector may have been busy at that frame.
        sample = Sample(picture, moment, scene_start=moment.scene != self._sampled_scene)
        if not self._worker.try_submit(sample):
            return False
        if not self._under_way:
            self._waiting_since = max(now, self._polled)
        self._under_way += 1
        self._sampled, self._sampled_scene = frame.index, moment.scene
        return True

    def _take_verdicts(self, now: float) -> None:
        while self._worker is not None and (verdict := self._worker.verdict(0)) is not None:
            self._under_way -= 1
            self._waiting_since = now
            self._engine.add_verdict(verdict)
            self._failures = self._failures + 1 if verdict.detections is None else 0
            if not self._failures:
                self._retry_after = FIRST_RETRY

    def _watch(self, now: float) -> None:
        """Replace a detector that died or hangs."""
        timeout = self._config.timeline.detector_timeout
        if self._worker is not None:
            if not self._worker.alive:
                self._drop_detector(now, "the detector thread died")
            elif self._failures >= MAX_FAILURES:
                self._drop_detector(now, f"the detector failed {MAX_FAILURES} times in a row")
            elif self._under_way and now - self._waiting_since > timeout:
                self._drop_detector(now, f"the detector did not answer for {timeout:g} s")
        elif now >= self._retry_at:
            self._abandoned = [worker for worker in self._abandoned if not worker.close(timeout=0)]
            if len(self._abandoned) < MAX_ABANDONED:
                self._worker = self._engine.start_worker(DEPTH, hurried=True)
                self._sample_due = True

    def _drop_detector(self, now: float, why: str) -> None:
        self.stats.error(why)
        self.stats.failed_samples += self._under_way
        if self._worker is not None and not self._worker.close(timeout=0):
            self._abandoned.append(self._worker)
        self._worker, self._under_way, self._failures = None, 0, 0
        self._sampled_scene = -1  # its replacement remembers nothing
        self._retry_at, self._retry_after = now + self._retry_after, min(2 * self._retry_after, LONGEST_RETRY)
