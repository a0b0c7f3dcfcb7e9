"""The engine as one object: frames in, masked frames out, in order, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import thread_time

from core.clock import StreamClock
from core.config import EngineConfig
from core.cuts import CutDetector
from core.detection import Detector
from core.detectors import create
from core.frame import Cover, Frame
from core.masked_frame import MaskedFrame
from core.masker import Masker
from core.picture import luma_thumbnail
from core.sampler import Sampler
from core.scanner import Scanner
from core.timeline import Moment, Timeline
from core.worker import DetectorThread, Sample, SampleVerdict, Scan

MIN_FRAMES, MAX_FRAMES = 8, 256


@dataclass(slots=True)
class Stats:
    """What the engine has done so far."""

    frames: int = 0
    faces: int = 0
    """Tracks there have been."""
    samples: int = 0
    failed_samples: int = 0
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("look", "detect", "mask"), 0.0))
    """Seconds of CPU time spent on `look` (thumbnails, sampling), `detect` and `mask`."""
    covers: Counter[Cover] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """One-line messages of what went wrong with the detector, and how often."""


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
        self.stats = Stats()
        self._config = config
        self._make_detector = make_detector or (lambda: create(config.detect.detector, config.track.keep_score))
        self._clock = StreamClock()
        self._cuts = CutDetector()
        self._sampler = Sampler(config.sample)
        self._timeline = Timeline(config.track, config.timeline.max_mask_age)
        self._masker = Masker(config.mask, config.zones)
        self._worker: DetectorThread | None = DetectorThread(self._make_scan)
        self._under_way = 0
        self._scene = 0
        self._scene_start = 0.0
        self._previous: tuple[Frame, Moment] | None = None
        self._sampled: int | None = None
        self._capacity = 0

    def __enter__(self) -> Anonymizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the detector thread. Frames still held are dropped: call `flush` first."""
        worker, self._worker = self._worker, None
        if worker is not None and not worker.close():
            self.stats.errors["the detector thread did not stop"] += 1

    def push(self, frame: Frame) -> list[MaskedFrame]:
        """Take the next frame; returns those that are settled by now."""
        if not self._capacity:
            size = sum(plane.buffer_size for plane in frame.video.planes)
            self._capacity = min(MAX_FRAMES, max(MIN_FRAMES, self._config.timeline.memory_mb * 1_000_000 // size))
        time = self._clock.tick(frame.time)
        begun = thread_time()
        thumbnail = luma_thumbnail(frame.video)
        previous = self._previous
        # Damage ends a scene, too: what was seen before it says little of what comes after.
        new_scene = self._cuts.update(thumbnail) or (previous is not None and not previous[0].trusted)
        self.stats.cpu["look"] += thread_time() - begun
        if new_scene:
            self._scene, self._scene_start = self._scene + 1, time
        moment = Moment(time, self._scene, self._scene_start)
        self._timeline.add(frame, moment)
        self._previous = (frame, moment)
        out: list[MaskedFrame] = []
        if new_scene and previous is not None:
            out += self._sample(*previous)
        far = self._sampled is None or frame.index - self._sampled >= max(1, self._capacity // 4)
        if frame.trusted and self._sampler.wants(time, thumbnail, forced=new_scene or far):
            out += self._sample(frame, moment)
        while self._under_way and len(self._timeline) >= self._capacity:
            out += self._await_verdict()
        if self._worker is None:
            out += self._release(time)
        elif len(self._timeline) >= self._capacity:  # a long run of damage, in which nothing is sampled
            out += self._release(-1.0, frame.index - self._capacity // 2)
        return out

    def flush(self) -> list[MaskedFrame]:
        """No more frames: waits for the detector and returns all that are still held."""
        out: list[MaskedFrame] = []
        if self._previous is not None:
            out += self._sample(*self._previous)
        while self._under_way:
            out += self._await_verdict()
        return out + self._release(float("inf"))

    def _make_scan(self) -> Scan:
        scanner = Scanner(self._make_detector(), self._config.detect)
        return lambda sample: scanner.scan(sample.frame, sample.moment.time, scene_start=sample.scene_start)

    def _sample(self, frame: Frame, moment: Moment) -> list[MaskedFrame]:
        """Have the detector look at `frame` unless it already did; may wait for room."""
        if self._worker is None or not frame.trusted or self._sampled == frame.index:
            return []
        out: list[MaskedFrame] = []
        sample = Sample(frame, moment, scene_start=moment.time == moment.scene_start)
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
        self.stats.errors[f"the detector said nothing for {self._config.timeline.detector_timeout:g} s: given up"] += 1
        self.stats.failed_samples += self._under_way
        self._under_way, worker, self._worker = 0, self._worker, None
        if worker is not None:
            worker.close(timeout=0)

    def _settle(self, verdict: SampleVerdict) -> list[MaskedFrame]:
        stats, moment = self.stats, verdict.sample.moment
        stats.samples += 1
        stats.cpu["detect"] += verdict.seconds
        counted = self._timeline.observe(moment, verdict.detections)
        if not counted:
            stats.failed_samples += 1
            stats.errors[verdict.error or "the detector gave boxes or scores that are no numbers"] += 1
        # Counted from the sample, never from what has arrived meanwhile: waiting longer must not change the output.
        crowded = verdict.sample.frame.index - self._capacity // 2
        return self._release(moment.time - self._config.timeline.look_ahead, crowded)

    def _release(self, until: float, until_index: int = -1) -> list[MaskedFrame]:
        out = []
        for frame, verdict in self._timeline.release(until, until_index):
            begun = thread_time()
            masked = self._masker.mask(frame, verdict)
            self.stats.cpu["mask"] += thread_time() - begun
            self.stats.frames += 1
            self.stats.covers[masked.cover] += 1
            out.append(masked)
        self.stats.faces = self._timeline.tracks
        return out
