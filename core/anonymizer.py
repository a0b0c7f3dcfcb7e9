"""The engine for recordings: frames in, masked frames out, in order, each exactly once."""

from __future__ import annotations

from collections.abc import Callable

from core.config import EngineConfig
from core.detect.detection import Detector
from core.detect.detector_thread import DetectorThread, Sample, SampleVerdict
from core.engine import Engine, Stats, Taken
from core.frame import Frame
from core.masked_frame import MaskedFrame

MIN_FRAMES, MAX_FRAMES = 3, 256  # minimum: one to paint, one to detect on, one that came after
DEPTH = 4  # samples in flight


class Anonymizer:
    """Masks the frames of one recording. It looks ahead, so a frame comes out some frames after it went in.

        with Anonymizer(EngineConfig()) as engine:
            for frame in frames:
                for masked in engine.push(frame):
                    ...
            for masked in engine.flush():
                ...

    The detector runs in its own thread while frames keep coming in. Timing affects neither the choice of samples nor
    the masks: the same frames always give the same output. If the detector raises, the frames around that sample are
    held or blanket. If it does not answer within `detector_timeout`, it is abandoned and every later frame is blanket.
    `stats` reports both.

    `make_detector` replaces the configured detector; it is called in the detector thread.
    """

    def __init__(self, config: EngineConfig, make_detector: Callable[[], Detector] | None = None) -> None:
        self._config = config
        self._engine = Engine(config, make_detector)
        self._worker: DetectorThread | None = self._engine.start_worker(DEPTH)
        self._under_way = 0
        self._sampled: int | None = None
        self._previous: Taken | None = None
        self._capacity = 0

    @property
    def stats(self) -> Stats:
        """Counters so far."""
        return self._engine.stats

    def __enter__(self) -> Anonymizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the detector thread. Held frames are dropped; call `flush` first to get them."""
        worker, self._worker = self._worker, None
        if worker is not None and not worker.close():
            self.stats.error("the detector thread did not stop")

    def push(self, frame: Frame) -> list[MaskedFrame]:
        """Take in the next frame; returns the frames that are ready."""
        if not self._capacity:
            size = sum(plane.buffer_size for plane in frame.video.planes)
            self._capacity = min(MAX_FRAMES, max(MIN_FRAMES, self._config.timeline.memory_mb * 1_000_000 // size))
        taken, previous = self._engine.take(frame), self._previous
        self._previous = taken
        out: list[MaskedFrame] = []
        if taken.new_scene and previous is not None:
            out += self._sample(previous)
        far = self._sampled is None or frame.index - self._sampled >= max(1, self._capacity // 4)
        time = taken.moment.time
        if self._engine.wants(taken, forced=taken.new_scene or far):
            out += self._sample(taken)
        while self._under_way and self._engine.held >= self._capacity:
            out += self._await_verdict()
        if self._worker is None:
            out += self._engine.release(time)
        elif self._engine.held >= self._capacity:  # a long run of damaged frames: nothing is sampled
            out += self._engine.release(-1.0, frame.index - self._capacity // 2)
        return out

    def flush(self) -> list[MaskedFrame]:
        """No more frames: waits for the detector and returns all frames still held."""
        out: list[MaskedFrame] = []
        if self._previous is not None:
            out += self._sample(self._previous)
        while self._under_way:
            out += self._await_verdict()
        return out + self._engine.release(float("inf"))

    def _sample(self, taken: Taken) -> list[MaskedFrame]:
        """Submit the frame to the detector unless that was done already; waits while the detector's queue is full."""
        frame, moment = taken.frame, taken.moment
        if self._worker is None or not frame.trusted or self._sampled == frame.index:
            return []
        out: list[MaskedFrame] = []
        sample = Sample(frame, moment, scene_start=moment.time == moment.scene_start, isolated=taken.isolated)
        while self._worker is not None and not self._worker.try_submit(sample):
            out += self._await_verdict()
        if self._worker is not None:
            self._sampled = frame.index
            self._under_way += 1
        return out

    def _await_verdict(self) -> list[MaskedFrame]:
        verdict = None if self._worker is None else self._worker.verdict(self._config.timeline.detector_timeout)
        if verdict is None:
            self._drop_detector()
            return []
        self._under_way -= 1
        return self._apply(verdict)

    def _drop_detector(self) -> None:
        """The detector hangs. Ignore any later answer: frames are painted without waiting from now on."""
        timeout = self._config.timeline.detector_timeout
        self.stats.error(f"the detector did not answer for {timeout:g} s and was abandoned")
        self.stats.failed_samples += self._under_way
        self._under_way, worker, self._worker = 0, self._worker, None
        if worker is not None:
            worker.close(timeout=0)

    def _apply(self, verdict: SampleVerdict) -> list[MaskedFrame]:
        self._engine.add_verdict(verdict)
        # Counted from the sample, not from the newest frame: a longer wait must not change the output.
        crowded = verdict.sample.frame.index - self._capacity // 2
        return self._engine.release(verdict.sample.moment.time - self._config.timeline.look_ahead, crowded)
