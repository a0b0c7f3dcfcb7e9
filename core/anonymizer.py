"""The engine as one object: frames in, masked frames out, in order, each once."""

from __future__ import annotations

from collections.abc import Callable

from core.config import EngineConfig
from core.detect.detection import Detector
from core.detect.detector_thread import DetectorThread, Sample, SampleVerdict
from core.engine import Engine, Stats, Taken
from core.frame import Frame
from core.masked_frame import MaskedFrame

MIN_FRAMES, MAX_FRAMES = 3, 256  # the least: one to paint, one to look at, one that came after
DEPTH = 4  # samples under way


class Anonymizer:
    """Masks the frames of one recording. Looks ahead, so a frame comes out some frames after it went in.

        with Anonymizer(EngineConfig()) as engine:
            for frame in frames:
                for masked in engine.push(frame):
                    ...
            for masked in engine.flush():
                ...

    The detector runs in a thread of its own while frames go on; which frames are looked at, and what each
    mask rests on, does not depend on timing: the same frames give the same output. A detector that raises
    leaves the frames around held or blanket; one that says nothing for `detector_timeout` is given up, and
    every later frame is blanket. `stats` tells.

    `make_detector` stands in for the configured detector; it is called in the detector thread.
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
        """What has been done so far."""
        return self._engine.stats

    def __enter__(self) -> Anonymizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the detector thread. Frames still held are dropped: call `flush` first."""
        worker, self._worker = self._worker, None
        if worker is not None and not worker.close():
            self.stats.error("the detector thread did not stop")

    def push(self, frame: Frame) -> list[MaskedFrame]:
        """Take the next frame; returns those that are settled by now."""
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
        elif self._engine.held >= self._capacity:  # a long run of damage, in which nothing is sampled
            out += self._engine.release(-1.0, frame.index - self._capacity // 2)
        return out

    def flush(self) -> list[MaskedFrame]:
        """No more frames: waits for the detector and returns all that are still held."""
        out: list[MaskedFrame] = []
        if self._previous is not None:
            out += self._sample(self._previous)
        while self._under_way:
            out += self._await_verdict()
        return out + self._engine.release(float("inf"))

    def _sample(self, taken: Taken) -> list[MaskedFrame]:
        """Have the detector look at the frame unless it already did; may wait for room."""
        frame, moment = taken.frame, taken.moment
        if self._worker is None or not frame.trusted or self._sampled == frame.index:
            return []
        out: list[MaskedFrame] = []
        sample = Sample(frame, moment, scene_start=moment.time == moment.scene_start, alone=taken.alone)
        while self._worker is not None and not self._worker.try_submit(sample):
            out += self._await_verdict()
        if self._worker is not None:
            self._sampled = frame.index
            self._under_way += 1
        return out

    def _await_verdict(self) -> list[MaskedFrame]:
        verdict = None if self._worker is None else self._worker.verdict(self._config.timeline.detector_timeout)
        if verdict is None:
            self._give_up()
            return []
        self._under_way -= 1
        return self._settle(verdict)

    def _give_up(self) -> None:
        """The detector hangs: nothing that it may still say is of use, since frames are painted from now on."""
        self.stats.error(f"the detector said nothing for {self._config.timeline.detector_timeout:g} s: given up")
        self.stats.failed_samples += self._under_way
        self._under_way, worker, self._worker = 0, self._worker, None
        if worker is not None:
            worker.close(timeout=0)

    def _settle(self, verdict: SampleVerdict) -> list[MaskedFrame]:
        self._engine.settle(verdict)
        # Counted from the sample, never from what has arrived meanwhile: waiting longer must not change the output.
        crowded = verdict.sample.frame.index - self._capacity // 2
        return self._engine.release(verdict.sample.moment.time - self._config.timeline.look_ahead, crowded)
