"""Masks one unit of a recording: encoded pictures and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from core.anonymizer import Anonymizer
from core.detect.detection import Detector
from core.frame import Cover, Frame
from core.masked_frame import MaskedFrame
from core.verify.doubts import DoubtLog
from streamer.file.entry import EntryError
from streamer.file.job import Progress, doubtful_moments
from streamer.file.reader_thread import ReaderThread
from streamer.file.report import BoxNumbers, Coverage
from streamer.file.source import FileSource, SourceInfo
from streamer.gops.uncopyable import UncopyableError
from streamer.media.picture_limit import PictureLimit
from streamer.runtime.opencv_threads import one_opencv_thread
from streamer.settings.file import Settings
from streamer.units.encoding import UnitEncoding
from streamer.units.parts import UnitParts
from streamer.units.span import UnitSpan, times_of
from streamer.units.unit_file import UnitTrailer, UnitWarning, UnitWriter
from streamer.warning_log import WarningLog

_THREADS: Final = 1
"""Of decoder and encoder: with others, pictures are encoded differently, and units run beside one another anyway."""


class UncutError(ValueError):
    """The file is not what its index says: it must be masked whole. The message says why, in one line."""


def unit_settings(settings: Settings) -> Settings:
    """The settings that every unit of a job is encoded with, on every machine."""
    encoder = settings.encoder
    fixed = encoder.model_copy(update={"threads": encoder.threads or _THREADS})
    return settings.model_copy(update={"encoder": fixed})


def mask_unit(
    source: Path,
    span: UnitSpan,
    target: Path,
    settings: Settings,
    *,
    container: str = "mp4",
    on_progress: Callable[[Progress], None] | None = None,
    make_detector: Callable[[], Detector] | None = None,
    interrupt: threading.Event | None = None,
) -> None:
    """Mask the pictures of one unit of `source` and write them to the new file `target`, which others then join.

    The same bytes come out on every machine with the same kind of processor. `container`: FFmpeg's name of the format
    that the units will be joined in. `make_detector` replaces the configured detector. Raises InputError, UncutError,
    OSError, and InterruptedJobError once `interrupt` is set; then there is no file.
    """
    one_opencv_thread()
    settings = unit_settings(settings)
    warnings = WarningLog()
    limit = PictureLimit(*settings.file.max_size)
    with FileSource(source, threads=_THREADS, warnings=warnings, limit=limit) as reader:
        info = reader.info
        reader.jump(span.entry, span.look_from)
        with ExitStack() as stack:
            writer = stack.enter_context(UnitWriter(target))
            engine = stack.enter_context(Anonymizer(settings, make_detector))
            parts = stack.enter_context(UnitParts(source, span, reader, settings, container, warnings))
            share = _Share(span, info)
            try:
                encoding = parts.encoding(writer)
                _run(ReaderThread(reader, interrupt), span, engine, encoding, share, on_progress)
            except (EntryError, UncopyableError) as error:
                raise UncutError(str(error)) from error
            share.check()
            stats, encoder = engine.stats, parts.encoder
            writer.complete(
                UnitTrailer(
                    span=span.to_json(),
                    config_sha256=settings.fingerprint(),
                    codec=encoder.codec,
                    pixel_format=encoder.pixel_format,
                    time_base=f"{encoder.time_base.numerator}/{encoder.time_base.denominator}",
                    extradata=encoder.parameter_sets.hex(),
                    container=None if parts.copying is None else container,
                    uncopied=parts.uncopied,
                    copied=encoding.copied,
                    packets=writer.packets,
                    looked_at=stats.frames,
                    faces=len(share.tracks),
                    tracks=stats.faces,
                    samples=stats.samples,
                    failed_samples=stats.failed_samples,
                    errors=dict(stats.errors),
                    seconds=share.coverage(),
                    damaged=round(float(share.damaged), 6),
                    any_damage=warnings.damage,
                    warnings=[UnitWarning(kind=kind, text=text, count=n) for kind, text, n in warnings.kinds],
                    doubtful=doubtful_moments(share.doubts),
                    first_faces=share.first,
                    last_faces=share.last,
                )
            )


def _run(
    reader: ReaderThread,
    span: UnitSpan,
    engine: Anonymizer,
    encoding: UnitEncoding,
    share: _Share,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    begun = time.monotonic()

    def write(masked: MaskedFrame) -> None:
        if share.add(masked):
            encoding.write(masked)
            if on_progress is not None:
                done, seconds = len(share.pts), time.monotonic() - begun
                on_progress(Progress(done, span.frames, masked.time, None, len(share.tracks), seconds))

    with reader as items:
        for frame in _looked_at(items, span):
            share.take(frame)
            for masked in engine.push(frame):
                write(masked)
        for masked in engine.flush():
            write(masked)
    encoding.finish()


def _looked_at(items: ReaderThread, span: UnitSpan) -> Iterator[Frame]:
    """The frames of the unit and those around it."""
    for item in items:
        if not isinstance(item, Frame):
            continue
        pts = item.video.pts or 0
        if span.looks_at(pts):
            yield item
        elif pts >= span.begin:
            return


@dataclass(slots=True, eq=False)
class _Share:
    """The unit's share of the job's report."""

    span: UnitSpan
    info: SourceInfo
    pts: list[int] = field(default_factory=list)
    tracks: set[int] = field(default_factory=set)
    doubts: DoubtLog = field(default_factory=DoubtLog)
    damaged: Fraction = Fraction(0)
    seconds: dict[Cover, float] = field(default_factory=lambda: dict.fromkeys(Cover, 0.0))
    first: list[BoxNumbers] = field(default_factory=list)
    last: list[BoxNumbers] = field(default_factory=list)

    def take(self, frame: Frame) -> None:
        """A frame that is looked at."""
        if not frame.trusted and self.span.holds(frame.video.pts or 0):
            self.damaged += frame.video.duration * self.info.time_base

    def add(self, masked: MaskedFrame) -> bool:
        """Whether the unit holds this frame; then it counts."""
        video = masked.video
        if not self.span.holds(video.pts or 0):
            return False
        boxes = [(r.box.x0, r.box.y0, r.box.x1, r.box.y1) for r in masked.regions if r.track >= 0]
        if not self.pts:
            self.first = boxes
        self.last = boxes
        self.pts.append(video.pts or 0)
        self.tracks.update(region.track for region in masked.regions if region.track >= 0)
        self.doubts.add(masked.time, masked.regions, masked.upright_size)
        self.seconds[masked.cover] += float(video.duration * self.info.time_base)
        return True

    def check(self) -> None:
        """Raises UncutError unless every picture of the index came once."""
        if len(self.pts) != self.span.frames or times_of(np.array(self.pts, np.int64)) != self.span.times:
            raise UncutError("its pictures are not those that its index names")

    def coverage(self) -> Coverage:
        """The seconds by cover."""
        seconds = self.seconds
        return Coverage(
            settled=round(seconds[Cover.SETTLED], 6),
            held=round(seconds[Cover.HELD], 6),
            blanket=round(seconds[Cover.BLANKET], 6),
        )
