"""Joins the units of a recording: every picture exactly once, the sound of the original last."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from core.geometry import Box, iou
from streamer.errors import InterruptedJobError
from streamer.file.job import Progress, note_detector_trouble, weights_used
from streamer.file.masked_file import FORMATS, EncodedStream, MaskedFile
from streamer.file.report import BoxNumbers, Coverage, DoubtfulMoment, FileDigest, Report, digest, versions
from streamer.file.source import FileSource
from streamer.gops.decoding_times import Ticks, decoding_times
from streamer.gops.joint import Joint
from streamer.gops.uncopyable import UncopyableError
from streamer.media.picture_limit import PictureLimit
from streamer.settings.file import Settings
from streamer.units.copying import copying_for
from streamer.units.encoding import scratch_encoder
from streamer.units.index import FileIndex, read_index
from streamer.units.parts import NOT_COPIED
from streamer.units.plan import UnitPlan, plan_units
from streamer.units.span import UnitSpan
from streamer.units.unit import unit_settings
from streamer.units.unit_file import UnitFileError, UnitReader, UnitTrailer
from streamer.version import VERSION
from streamer.warning_log import WarningLog

_SAME_FACE = 0.3  # IoU of two regions on both sides of a seam
_MOST_DOUBTFUL = 100
_EVERY = 256  # pictures between two words about progress


def join_units(
    source: Path,
    units: Sequence[Path],
    target: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
    interrupt: threading.Event | None = None,
    before: FileDigest | None = None,
) -> Report:
    """Make the masked copy of `source` out of the files of all its units, in order. `before`: its digest, if known.

    Nothing is published unless the units are those of the file's own plan, were all encoded alike, and hold every
    picture of its index exactly once. Raises UnitFileError if they do not, InputError, OutputError, OSError, and
    InterruptedJobError once `interrupt` is set.
    """
    begun = time.monotonic()
    given, settings = settings, unit_settings(settings)
    warnings = WarningLog(on_warning)
    before = digest(source, interrupt) if before is None else before
    limit = PictureLimit(*settings.file.max_size)
    index = read_index(source, limit, interrupt)
    readers = [UnitReader(path) for path in units]
    trailers = [reader.trailer for reader in readers]
    _check_plan(plan_units(index), trailers, settings)
    for reader in readers:
        reader.check()
    pts = _checked_times(readers, index)
    damage = any(trailer.any_damage for trailer in trailers)
    with FileSource(source, threads=1, warnings=WarningLog(), limit=limit) as original:
        info = original.info
        stream, tick = _stream(original, trailers, settings, target)
        with MaskedFile(
            target,
            info,
            encoder=settings.encoder,
            audio=settings.file.audio,
            overwrite=overwrite,
            keep_metadata=settings.file.keep_metadata,
            warnings=warnings,
            memory_mb=settings.file.memory_mb,
            encoded=stream,
        ) as writer:
            pictures = _Pictures(readers, pts, tick)
            counter = _Counter(len(pts), on_progress, interrupt, begun)
            for audio in original.sound():
                stamp = audio.packet.dts if audio.packet.dts is not None else audio.packet.pts
                if stamp is not None:
                    for packet in pictures.until(stamp * audio.packet.time_base):
                        writer.write_encoded(packet)
                        counter.count()
                writer.write_audio(audio)
            for packet in pictures.until(None):
                writer.write_encoded(packet)
                counter.count()
        damaged = sum((Fraction(trailer.damaged) for trailer in trailers), Fraction(0))
        damaged = max(damaged, 1 / info.rate) if damage else Fraction(0)
    _add_warnings(trailers, warnings)
    errors: dict[str, int] = {}
    for trailer in trailers:
        for message, count in trailer.errors.items():
            errors[message] = errors.get(message, 0) + count
    note_detector_trouble(errors, warnings)
    return Report(
        veilcast=VERSION,
        versions=versions(),
        input=before,
        output=digest(target),
        config_sha256=given.fingerprint(),
        weights=weights_used(settings.detect.detector),
        second_weights=weights_used(settings.detect.second_detector),
        frames=len(pts),
        faces=_faces(trailers),
        samples=sum(trailer.samples for trailer in trailers),
        failed_samples=sum(trailer.failed_samples for trailer in trailers),
        seconds=_coverage(trailers),
        damaged=round(float(damaged), 6),
        audio=settings.file.audio if info.audio_tracks else "none",
        stripped=list(info.stripped),
        warnings=warnings.lines,
        doubtful=_doubtful(trailers),
        units=len(trailers),
        looked_at=sum(trailer.looked_at for trailer in trailers),
        copied=sum(trailer.copied for trailer in trailers),
        uncopied=trailers[0].uncopied,
        elapsed=round(time.monotonic() - begun, 3),
    )


def _stream(
    original: FileSource, trailers: Sequence[UnitTrailer], settings: Settings, target: Path
) -> tuple[EncodedStream, Fraction]:
    """The video stream that all units fit into, and its time base. Raises UnitFileError if one does not."""
    container, uncopied = FORMATS.get(target.suffix.lower(), ""), None
    joint: Joint | None = None
    number: int | None = None
    copy = UnitSpan.from_json(trailers[0].span).copy
    try:
        if not copy:
            raise UncopyableError(NOT_COPIED)
        copying = copying_for(original.info, original.video.codec_context.extradata, settings)
        number = copying.parameter_set
        encoder = scratch_encoder(original.info, settings, WarningLog(), number)
        joint = copying.joint(encoder, container)
    except UncopyableError as error:
        encoder, uncopied = scratch_encoder(original.info, settings, WarningLog()), str(error)
    here = encoder.parameter_sets.hex(), encoder.codec, encoder.pixel_format, encoder.time_base, uncopied
    for each in trailers:
        made = each.extradata, each.codec, each.pixel_format, each.base, each.uncopied
        if made != here or each.container != (None if joint is None else container):
            raise UnitFileError("was encoded with other parameters")
    if joint is None:
        return EncodedStream(), encoder.time_base
    return EncodedStream(joint.extradata, number), encoder.time_base


def _check_plan(plan: UnitPlan, trailers: Sequence[UnitTrailer], settings: Settings) -> None:
    if [unit.to_json() for unit in plan.units] != [trailer.span for trailer in trailers]:
        raise UnitFileError("does not belong to the plan for this file")
    if any(trailer.config_sha256 != settings.fingerprint() for trailer in trailers):
        raise UnitFileError("was masked with other settings")


def _checked_times(readers: Sequence[UnitReader], index: FileIndex) -> Ticks:
    """The pts of all units' packets in decoding order. Raises UnitFileError unless each picture is there once."""
    times = [np.array([pts for pts, _ in reader.headers()], np.int64) for reader in readers]
    shown, scale = index.shown_pts, index.time_base / readers[0].trailer.base
    if scale.denominator != 1 or sum(map(len, times)) != len(shown):
        raise UnitFileError("does not hold every picture once")
    at = 0
    for each in times:
        if not np.array_equal(np.sort(each), shown[at : at + len(each)] * int(scale)):
            raise UnitFileError("does not hold every picture once")
        at += len(each)
    return np.concatenate(times)


class _Pictures:
    """All packets of all units with their times, as far as they are due."""

    def __init__(self, readers: Sequence[UnitReader], pts: Ticks, base: Fraction) -> None:
        self._packets = (packet for reader in readers for packet in reader)
        self._base = base
        dts, _ = decoding_times(pts)
        shown = np.sort(pts)
        if len(dts) > 1:  # containers add up decoding times to a duration: they must span what the pictures span
            last = max(int(dts[0] + shown[-1] - shown[0]), int(dts[-2]) + 1)
            dts[-1] = min(last, int(pts[-1]))
        self._dts = dts
        self._shown = shown
        self._next = 0

    def until(self, time: Fraction | None) -> Iterator[Packet[VideoStream]]:
        """Those that are decoded up to `time` seconds; None: all that are left."""
        due = None if time is None else time / self._base
        while self._next < len(self._dts) and (due is None or self._dts[self._next] <= due):
            held = next(self._packets)
            packet = cast("Packet[VideoStream]", Packet(held.data))
            packet.pts, packet.dts = held.pts, int(self._dts[self._next])
            after = int(np.searchsorted(self._shown, held.pts)) + 1
            packet.duration = int(self._shown[after]) - held.pts if after < len(self._shown) else held.duration
            packet.is_keyframe = held.key
            self._next += 1
            yield packet


@dataclass(slots=True)
class _Counter:
    """Says how many pictures are written, and stops when it is told to."""

    total: int
    on_progress: Callable[[Progress], None] | None
    interrupt: threading.Event | None
    begun: float
    written: int = 0

    def count(self) -> None:
        self.written += 1
        if self.written % _EVERY:
            return
        if self.interrupt is not None and self.interrupt.is_set():
            raise InterruptedJobError
        if self.on_progress is not None:
            self.on_progress(Progress(self.written, self.total, 0.0, None, 0, time.monotonic() - self.begun))


def _add_warnings(trailers: Sequence[UnitTrailer], warnings: WarningLog) -> None:
    """Those of all units, each kind once: what is said of the whole file is said by every unit."""
    said = {warning.kind: warning for trailer in trailers for warning in trailer.warnings}
    for trailer in trailers:
        for warning in trailer.warnings:
            if warning.count > said[warning.kind].count:
                said[warning.kind] = warning
    for kind, warning in said.items():
        if not warnings.count(kind):
            warnings.add(kind, warning.text, times=warning.count)


def _faces(trailers: Sequence[UnitTrailer]) -> int:
    """All tracks, those on both sides of a seam once."""
    pairs = itertools.pairwise(trailers)
    return sum(trailer.faces for trailer in trailers) - sum(_shared(a.last_faces, b.first_faces) for a, b in pairs)


def _shared(before: Sequence[BoxNumbers], after: Sequence[BoxNumbers]) -> int:
    left = [Box(*box) for box in after]
    shared = 0
    for box in (Box(*numbers) for numbers in before):
        best = max(left, key=lambda other: iou(box, other), default=None)
        if best is not None and iou(box, best) > _SAME_FACE:
            left.remove(best)
            shared += 1
    return shared


def _coverage(trailers: Sequence[UnitTrailer]) -> Coverage:
    sums: Mapping[str, float] = {
        name: round(sum(getattr(trailer.seconds, name) for trailer in trailers), 6)
        for name in ("settled", "held", "blanket")
    }
    return Coverage(**sums)


def _doubtful(trailers: Sequence[UnitTrailer]) -> list[DoubtfulMoment]:
    found, tracks = list[DoubtfulMoment](), 0
    for trailer in trailers:
        found += [each.model_copy(update={"track": each.track + tracks}) for each in trailer.doubtful]
        tracks += trailer.tracks
    return sorted(found, key=lambda each: (-each.doubt, each.start))[:_MOST_DOUBTFUL]
