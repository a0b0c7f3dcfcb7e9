"""Makes a masked copy of a recorded file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from core.anonymizer import Anonymizer
from core.detect.detection import Detector
from core.detect.registry import find
from core.frame import Cover, Frame
from core.masked_frame import MaskedFrame
from core.replay import Replay
from core.verify.doubts import DoubtLog
from streamer.errors import InputError, InterruptedJobError
from streamer.file.mask_reader import MaskRecord
from streamer.file.mask_record import RecordedInput, RecordHeader
from streamer.file.mask_writer import MaskWriter, check_masks_target
from streamer.file.masked_file import MaskedFile, check_target, default_output
from streamer.file.part import Part, PartReader
from streamer.file.reader_thread import ReaderThread
from streamer.file.report import Coverage, DoubtfulMoment, FileDigest, Report, WeightsUsed, digest, versions
from streamer.file.source import FileSource, SourceInfo
from streamer.media.picture_limit import PictureLimit
from streamer.runtime.opencv_threads import one_opencv_thread
from streamer.settings.file import Settings
from streamer.version import VERSION
from streamer.warning_log import WarningLog


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a job. `frames_expected` and `duration` (seconds) come from the file header and may be missing."""

    frames: int
    frames_expected: int | None
    media_time: float
    duration: float | None
    faces: int
    elapsed: float


def anonymize_file(
    source: Path | str,
    target: Path | str | None = None,
    settings: Settings | None = None,
    *,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
    make_detector: Callable[[], Detector] | None = None,
    interrupt: threading.Event | None = None,
    masks: Path | str | None = None,
    from_masks: Path | str | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Report:
    """Write a copy of the video `source` in which no face can be recognised; default target: NAME.masked.EXT.

    Every frame is kept with its time stamp. The target appears only when it is complete. `on_progress` is called after
    every written frame, `on_warning` once per kind of warning. `make_detector` replaces the configured detector; the
    report then names no weights. Once `interrupt` is set, the job stops, removes what it has written, and raises
    InterruptedJobError.

    `masks` is a file for the decisions on every frame (.jsonl, or .csv for MOTChallenge rows). `from_masks` is such a
    record (.jsonl): frames are painted as it says, without a detector. If `settings` is not given, the mask style and
    zones also come from that record.

    `start` and `end` are seconds from the first frame: the copy gets the frames from the first at or after `start` to
    the last before `end`, and the audio packets between, and begins when the whole video does. Not with mask records.
    Raises ValueError if they make no sense.

    Raises InputError or OutputError with a one-line message. Sets OpenCV to one
    thread in the whole process.
    """
    source = Path(source)
    one_opencv_thread()
    begun = time.monotonic()
    warnings = WarningLog(on_warning)
    part = None if start is None and end is None else Part(start, end)
    if part is not None and (masks is not None or from_masks is not None):
        raise ValueError("a record of masks is about a whole video")
    with ExitStack() as stack:
        record = None if from_masks is None else stack.enter_context(MaskRecord(Path(from_masks)))
        settings = _settings(settings, record)
        limit = PictureLimit(*settings.file.max_size)
        reader = stack.enter_context(FileSource(source, warnings=warnings, limit=limit))
        target = default_output(source) if target is None else Path(target)
        check_target(source, target, overwrite)
        if masks is not None:
            others = [source, target, *([] if from_masks is None else [Path(from_masks)])]
            check_masks_target(Path(masks), others, overwrite)
        before = digest(source, interrupt)
        if record is not None:
            record.check_input(before)
        within = None if part is None else PartReader(part, reader.info)
        log = None
        if masks is not None:
            log = stack.enter_context(MaskWriter(Path(masks), _header(reader.info, before, settings), overwrite))
        with (
            MaskedFile(
                target,
                reader.info,
                encoder=settings.encoder,
                audio=settings.file.audio,
                overwrite=overwrite,
                keep_metadata=settings.file.keep_metadata,
                warnings=warnings,
                memory_mb=settings.file.memory_mb,
                shift=Fraction(0) if within is None else within.shift,
            ) as writer,
            Anonymizer(settings, make_detector) if record is None else Replay(settings, record.verdict) as engine,
        ):
            write = _Write(reader.info, engine, writer, log, begun, on_progress, interrupt, within)
            _run(ReaderThread(reader, interrupt), engine, writer, write, within)
            if not write.frames:  # only a part can be without any
                raise InputError(source, "has no picture in that part: it ends before, or stands still there")
            if record is not None:
                record.finish(write.frames)
            if log is not None:
                log.complete()  # a full disk fails here, before the copy gets its name
            stats, seconds = engine.stats, write.seconds
            doubtful = doubtful_moments(write.doubts)
        if log is not None:
            log.publish()
        damaged = max(reader.damaged, 1 / reader.info.rate) if warnings.damage else Fraction(0)
        note_detector_trouble(stats.errors, warnings)
        info = reader.info
    built_in = make_detector is None and from_masks is None
    return Report(
        veilcast=VERSION,
        versions=versions(),
        input=before,
        output=digest(target),
        config_sha256=settings.fingerprint(),
        weights=weights_used(settings.detect.detector) if built_in else None,
        second_weights=weights_used(settings.detect.second_detector) if built_in else None,
        masks=None if from_masks is None else digest(Path(from_masks)),
        start=start,
        end=end,
        frames=write.frames,
        faces=stats.faces if within is None else len(write.tracks),
        samples=stats.samples,
        failed_samples=stats.failed_samples,
        seconds=Coverage(
            settled=round(seconds[Cover.SETTLED], 6),
            held=round(seconds[Cover.HELD], 6),
            blanket=round(seconds[Cover.BLANKET], 6),
        ),
        damaged=round(float(damaged), 6),
        audio=settings.file.audio if info.audio_tracks else "none",
        stripped=list(info.stripped),
        warnings=warnings.lines,
        doubtful=doubtful,
        elapsed=round(time.monotonic() - begun, 3),
    )


def doubtful_moments(log: DoubtLog) -> list[DoubtfulMoment]:
    """What a person should look at, as reports have it; ends the log."""
    return [
        DoubtfulMoment(
            start=round(d.start, 6),
            end=round(d.end, 6),
            box=(d.box.x0, d.box.y0, d.box.x1, d.box.y1),
            track=d.track,
            why=list(d.why),
            doubt=d.doubt,
        )
        for d in log.finish()
    ]


def weights_used(detector: str | None) -> WeightsUsed | None:
    """The weights of a detector, if there is one."""
    if detector is None:
        return None
    weights = find(detector).weights
    return WeightsUsed(name=weights.name, sha256=weights.sha256, license=weights.license)


def _settings(given: Settings | None, record: MaskRecord | None) -> Settings:
    """What was given; otherwise the defaults, or what the record was painted with. Raises InputError."""
    if record is None:
        return given or Settings()
    if given is None:
        return Settings(mask=record.header.mask, zones=record.header.zones)
    return given.model_copy(update={"mask": record.check_cover(given.mask)})


def _header(info: SourceInfo, source: FileDigest, settings: Settings) -> RecordHeader:
    width, height = info.orientation.upright_size(info.picture.width, info.picture.height)
    return RecordHeader(
        veilcast=VERSION,
        input=RecordedInput(bytes=source.bytes, sha256=source.sha256),
        width=width,
        height=height,
        time_base=f"{info.time_base.numerator}/{info.time_base.denominator}",
        mask=settings.mask,
        zones=settings.zones,
    )


class _Write:
    """Passes the masked frames of a job to the file, the mask record and the progress; sums `seconds` by cover."""

    def __init__(
        self,
        info: SourceInfo,
        engine: Anonymizer | Replay,
        writer: MaskedFile,
        log: MaskWriter | None,
        begun: float,
        on_progress: Callable[[Progress], None] | None,
        interrupt: threading.Event | None,
        within: PartReader | None,
    ) -> None:
        self.frames = 0
        self.tracks: set[int] = set()
        self.doubts = DoubtLog()
        self.seconds = dict.fromkeys(Cover, 0.0)
        self._info, self._engine, self._writer, self._log = info, engine, writer, log
        self._begun, self._on_progress, self._interrupt = begun, on_progress, interrupt
        self._within = within
        self._start = float(info.start * info.time_base - (within.shift if within is not None else 0))
        self._expected = info.frames if within is None else within.expected
        self._duration = info.duration if within is None else within.duration

    def __call__(self, masked: MaskedFrame) -> None:
        if self._interrupt is not None and self._interrupt.is_set():
            raise InterruptedJobError  # the input may be read already while hundreds of frames wait to be written
        video, info = masked.video, self._info
        if self._within is not None:
            if not self._within.holds((video.pts or 0) * info.time_base):
                return
            self.tracks.update(region.track for region in masked.regions)
        self._writer.write_frame(masked)
        if self._log is not None:
            self._log.write(masked)
        self.doubts.add(masked.time, masked.regions, masked.upright_size)
        self.frames += 1
        self.seconds[masked.cover] += float(video.duration * (video.time_base or 0))
        if self._on_progress is not None:
            self._on_progress(
                Progress(
                    self.frames,
                    self._expected,
                    masked.time - self._start,
                    self._duration,
                    self._engine.stats.faces,
                    time.monotonic() - self._begun,
                )
            )


def _run(
    reader: ReaderThread, engine: Anonymizer | Replay, writer: MaskedFile, write: _Write, within: PartReader | None
) -> None:
    """Pass everything from the reader through the engine to the writer; of a part what belongs to it."""
    with reader as items:
        for item in items if within is None else within.items(items):
            if isinstance(item, Frame):
                for masked in engine.push(item):
                    write(masked)
            else:
                writer.write_audio(item)
        for masked in engine.flush():
            write(masked)


def note_detector_trouble(errors: Mapping[str, int], warnings: WarningLog) -> None:
    """Warn about what the detector failed with, and how often."""
    for message, count in errors.items():
        times = f" ({count} times)" if count > 1 else ""
        warnings.add(message, f"detector failed{times}: {message}; affected frames are masked whole")
