"""The part of the engine that recordings and live streams share: take in frames, sample, hold and paint them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import thread_time

from core.clock import Moment, StreamClock
from core.config import DetectConfig, EngineConfig, MaskConfig, ZoneConfig
from core.detect.cuts import CutDetector, Thumbnail
from core.detect.detection import Detection, Detector
from core.detect.detector_thread import DetectorThread, Sample, SampleVerdict, Scan
from core.detect.pace import Pace
from core.detect.registry import create
from core.detect.sampler import Sampler
from core.detect.scanner import Scanner
from core.detect.second_opinion import LOWEST_SCORE, SecondOpinion
from core.detect.still_scene import StillScene
from core.detect.turned import PROBE_SCALES, TurnedScanner
from core.frame import Cover, Frame
from core.masked_frame import MaskedFrame
from core.paint.head import extended
from core.paint.masker import Masker
from core.pictures.planes import luma_thumbnail
from core.track.timeline import Timeline

MAX_MESSAGES = 50


@dataclass(slots=True)
class Stats:
    """Counters of one engine."""

    frames: int = 0
    faces: int = 0
    """Number of tracks so far."""
    samples: int = 0
    failed_samples: int = 0
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("sample", "detect", "paint"), 0.0))
    """CPU seconds per stage: `sample` (thumbnails and scene cuts), `detect` and `paint`."""
    covers: Counter[Cover] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """One-line detector errors and how often each occurred; at most `MAX_MESSAGES` different ones."""

    def error(self, message: str) -> None:
        """Count an error. The number of different messages is bounded: a stream may run for months."""
        known = message in self.errors or len(self.errors) < MAX_MESSAGES
        self.errors[message if known else "the detector failed in other ways"] += 1


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A frame that was taken in, its thumbnail, and whether it starts a scene.

    `sparse`: moving pictures are so far apart that none may be skipped. `isolated`: they are so far apart that one says
    little about the next.
    """

    frame: Frame
    moment: Moment
    thumbnail: Thumbnail
    new_scene: bool
    sparse: bool = False
    isolated: bool = False


class Engine:
    """Frames, scenes and masks of one stream. Knows no deadlines: its driver decides when to wait and when to release.

    `make_detector` replaces the configured detector.
    """

    def __init__(self, config: EngineConfig, make_detector: Callable[[], Detector] | None = None) -> None:
        self.stats = Stats()
        self._timeline = Timeline(config.track, config.timeline.max_mask_age)
        self._sampler = Sampler(config.sample)
        self._mask, self._masker = config.mask, Masker(config.mask, config.zones)
        self._trusted = True
        self._config = config
        self._second = config.detect.second_detector if make_detector is None else None
        # Only YuNet was measured on turned copies.
        yunet = make_detector is None and config.detect.detector == "yunet"
        self._turns = yunet and config.detect.turned_interval > 0
        weak = config.detect.second.weak_score if self._second is not None else 1.0
        self._make_detector = make_detector or (
            lambda: create(config.detect.detector, min(config.track.min_score, weak))
        )
        self._clock = StreamClock()
        self._cuts = CutDetector()
        self._pace = Pace()
        self._scene = 0
        self._scene_start = 0.0

    def _make_scan(self, hurried: bool) -> Scan:
        """Everything that looks at one sample; called in the detector's thread, which creates the networks."""
        config, least = self._config.detect, self._config.track.min_score
        first = self._make_detector()
        witness = None if self._second is None else create(self._second, LOWEST_SCORE)

        def scanner(detect: DetectConfig, searches: bool) -> Scanner:
            second = None if witness is None else SecondOpinion(witness, config.second, searches=searches)
            return Scanner(first, detect, second, least)

        scans: Scanner | TurnedScanner = scanner(config, True)
        if self._turns:
            quick = config.model_copy(update={"scales": PROBE_SCALES})
            scans = TurnedScanner(
                scans,
                lambda: scanner(quick, False),
                lambda: scanner(config, False),
                config.turned_interval,
                spread=hurried,
            )

        def look(sample: Sample) -> list[Detection]:
            return scans.scan(sample.frame, sample.moment.time, scene_start=sample.scene_start, alone=sample.isolated)

        return look if hurried else StillScene(look, self._config.sample.still_interval)

    def start_worker(self, depth: int, *, hurried: bool = False) -> DetectorThread:
        """Start a detector thread for this stream; the caller owns it. The detector is created in that thread.

        `hurried`: its verdicts have deadlines, so no sample may take several times as long as another.
        """
        return DetectorThread(lambda: self._make_scan(hurried), depth=depth)

    def take(self, frame: Frame, *, cut: bool = False) -> Taken:
        """Hold the frame. `cut`: the caller knows that it starts a scene."""
        time = self._clock.tick(frame.time)
        begun = thread_time()
        thumbnail = luma_thumbnail(frame.video)
        # Damage also ends a scene: detections before it say little about what comes after.
        pace = self._pace.update(thumbnail)
        new_scene = self._cuts.update(thumbnail) or not self._trusted or cut
        self.stats.cpu["sample"] += thread_time() - begun
        if new_scene:
            self._scene, self._scene_start = self._scene + 1, time
        sample = self._config.sample
        moment = Moment(time, self._scene, self._scene_start)
        taken = Taken(frame, moment, thumbnail, new_scene, pace > sample.sparse_ratio, pace > sample.isolated_ratio)
        self._timeline.add(frame, taken.moment)
        self._trusted = frame.trusted
        return taken

    @property
    def held(self) -> int:
        """Number of frames taken in but not yet released."""
        return len(self._timeline)

    def wants(self, taken: Taken, *, forced: bool) -> bool:
        """Whether to sample this frame; True counts as sampled. `forced`: sample it whatever the interval says."""
        return taken.frame.trusted and self._sampler.wants(
            taken.moment.time, taken.thumbnail, forced=forced, sparse=taken.sparse
        )

    def repaint(self, mask: MaskConfig, zones: Sequence[ZoneConfig]) -> None:
        """Use these mask settings and zones from the next released frame on."""
        self._mask, self._masker = mask, Masker(mask, zones)

    def add_verdict(self, verdict: SampleVerdict) -> None:
        """Take in the detector's verdict on a sample, or its failure."""
        stats = self.stats
        stats.samples += 1
        stats.cpu["detect"] += verdict.seconds
        if not self._timeline.observe(verdict.sample.moment, verdict.detections):
            stats.failed_samples += 1
            stats.error(verdict.error or "the detector returned invalid boxes or scores")

    def release(self, until: float, until_index: int = -1) -> list[MaskedFrame]:
        """Paint and return every held frame up to time `until` or up to frame index `until_index`."""
        out = []
        for frame, verdict in self._timeline.release(until, until_index):
            begun = thread_time()
            masked = self._masker.mask(frame, extended(verdict, self._mask))
            self.stats.cpu["paint"] += thread_time() - begun
            self.stats.frames += 1
            self.stats.covers[masked.cover] += 1
            out.append(masked)
        self.stats.faces = self._timeline.tracks
        return out
