"""A masked copy of a recorded file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from core.anonymizer import Anonymizer
from core.detect.detection import Detector
from core.detect.registry import find
from core.engine import Stats
from core.frame import Cover, Frame
from core.masked_frame import MaskedFrame
from streamer.errors import InterruptedJobError
from streamer.file.masked_file import MaskedFile, check_target, default_output
from streamer.file.reader_thread import ReaderThread
from streamer.file.report import Coverage, Report, WeightsUsed, digest, versions
from streamer.file.source import FileSource, SourceInfo
from streamer.media.picture_limit import PictureLimit
from streamer.runtime.opencv_threads import one_opencv_thread
from streamer.settings.file import Settings
from streamer.version import VERSION
from streamer.warning_log import WarningLog


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; `frames_expected` and `duration` (seconds) are what the file's header claims, if anything."""

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
) -> Report:
    """Write a copy of the video `source` in which no face can be recognised; default target: NAME.masked.EXT.

    Every frame is kept with its time stamp. The target appears when it is complete or not at all. `on_progress` is
    called after every frame written, `on_warning` once for each kind of trouble; `make_detector` stands in for the
    configured detector, and the report then names no weights; once `interrupt` is set, the job stops, nothing is left
    of the target, and InterruptedJobError is raised. Raises InputError or OutputError, both with one clear line. OpenCV
    is left with one thread, in the whole process.
    """
    source = Path(source)
    settings = settings or Settings()
    one_opencv_thread()
    begun = time.monotonic()
    warnings = WarningLog(on_warning)
    with FileSource(source, warnings=warnings, limit=PictureLimit(*settings.file.max_size)) as reader:
        target = default_output(source) if target is None else Path(target)
        check_target(source, target, overwrite)
        before = digest(source, interrupt)
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
            ) as writer,
            Anonymizer(settings, make_detector) as engine,
        ):
            seconds = _run(ReaderThread(reader, interrupt), reader.info, engine, writer, begun, on_progress, interrupt)
            stats = engine.stats
        damaged = max(reader.damaged, 1 / reader.info.rate) if warnings.damage else Fraction(0)
        _note_detector_trouble(stats, warnings)
        info = reader.info
    return Report(
        veilcast=VERSION,
        versions=versions(),
        input=before,
        output=digest(target),
        config_sha256=settings.fingerprint(),
        weights=_weights(settings) if make_detector is None else None,
        frames=stats.frames,
        faces=stats.faces,
        samples=stats.samples,
        failed_samples=stats.failed_samples,
        seconds=Coverage(
            settled=round(seconds[Cover.SETTLED], 6),
            held=round(seconds[Cover.HELD], 6),
            blanket=round(seconds[Cover.BLANKET], 6),
        ),
        damaged=round(float(damaged), 6),
        audio=settings.file.audio if info.sounds else "none",
        stripped=list(info.stripped),
        warnings=warnings.lines,
        elapsed=round(time.monotonic() - begun, 3),
    )


def _weights(settings: Settings) -> WeightsUsed:
    weights = find(settings.detect.detector).weights
    return WeightsUsed(name=weights.name, sha256=weights.sha256, license=weights.license)


def _run(
    reader: ReaderThread,
    info: SourceInfo,
    engine: Anonymizer,
    writer: MaskedFile,
    begun: float,
    on_progress: Callable[[Progress], None] | None,
    interrupt: threading.Event | None,
) -> dict[Cover, float]:
    """Everything from the reader through the engine to the writer; returns seconds by cover."""
    seconds = dict.fromkeys(Cover, 0.0)
    written = 0

    def write(masked: MaskedFrame) -> None:
        nonlocal written
        if interrupt is not None and interrupt.is_set():
            raise InterruptedJobError  # all may have been read, and hundreds of frames wait to be written
        writer.write_frame(masked)
        written += 1
        video = masked.video
        seconds[masked.cover] += float(video.duration * (video.time_base or 0))
        if on_progress is not None:
            on_progress(
                Progress(
                    written,
                    info.frames,
                    masked.time - float(info.start * info.time_base),
                    info.duration,
                    engine.stats.faces,
                    time.monotonic() - begun,
                )
            )

    with reader as items:
        for item in items:
            if isinstance(item, Frame):
                for masked in engine.push(item):
                    write(masked)
            else:
                writer.write_sound(item)
        for masked in engine.flush():
            write(masked)
    return seconds


def _note_detector_trouble(stats: Stats, warnings: WarningLog) -> None:
    for message, count in stats.errors.items():
        times = f" ({count} times)" if count > 1 else ""
        warnings.add(message, f"detector failed{times}: {message}; what it could not judge is masked whole")
