"""Makes a masked copy of a picture file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.detect.detection import Detector
from core.frame import Cover
from core.still import StillAnonymizer
from streamer.errors import InputError, InterruptedJobError, OutputError
from streamer.file.job import weights_used
from streamer.file.report import Coverage, Report, digest, versions
from streamer.media.picture_limit import PictureLimit
from streamer.pictures.animation import MaskedAnimation, is_animation, masked_animation
from streamer.pictures.copy import coded, masked_picture, write_coded, write_picture
from streamer.pictures.kind import PictureKind, check_picture_target, kind_of, picture_kind, picture_output
from streamer.pictures.source import decoded_picture, digest_of, read_picture
from streamer.runtime.opencv_threads import one_opencv_thread
from streamer.settings.file import Settings
from streamer.version import VERSION
from streamer.warning_log import WarningLog

_NAMELESS = Path("picture")


def anonymize_picture_file(
    source: Path | str,
    target: Path | str | None = None,
    settings: Settings | None = None,
    *,
    overwrite: bool = False,
    on_warning: Callable[[str], None] | None = None,
    make_detector: Callable[[], Detector] | None = None,
    interrupt: threading.Event | None = None,
    engine: StillAnonymizer | None = None,
) -> Report:
    """Write a copy of the picture `source` in which no face can be recognised; default target: NAME.masked.EXT.

    JPEG, PNG, WebP, TIFF, HEIC, AVIF and GIF, in the same format, upright, without metadata; animated ones stay
    animated. The target appears only when it is complete. If the detector fails, the whole picture is masked, and
    `failed_samples` of the report is 1. In the report a still picture is one frame of no duration.

    `make_detector` replaces the configured detectors. `engine`, made with the same settings, saves loading the weights
    again for every picture. Raises InputError or OutputError with a one-line message, and InterruptedJobError once
    `interrupt` is set. Sets OpenCV to one thread in the whole process.
    """
    source = Path(source)
    one_opencv_thread()
    begun = time.monotonic()
    settings = settings or Settings()
    warnings = WarningLog(on_warning)
    kind = picture_kind(source)
    if kind is None:
        raise InputError(source, _why_none(source))
    target = picture_output(source, kind) if target is None else Path(target)
    check_picture_target(source, target, kind, overwrite)
    if settings.file.keep_metadata:
        warnings.add("metadata", "keep_metadata is for videos: the copy of a picture has no metadata")
    content = read_picture(source)
    if is_animation(kind, content):
        animation = masked_animation(content, source, settings, make_detector, interrupt)
        for message in animation.stats.errors:
            warnings.add(message, f"detector failed: {message}; affected frames are masked whole")
        write_coded(animation.content, target, overwrite)
        counts = _of_animation(animation)
    else:
        picture = decoded_picture(content, source, PictureLimit(*settings.picture.max_size))
        if picture.loss is not None:
            warnings.add("loss", picture.loss)
        engine = engine or StillAnonymizer(settings, make_detector)
        _stop_if(interrupt)
        verdict = engine.decide(picture.views())
        if engine.error is not None:
            warnings.add("detector", f"detector failed: {engine.error}; the picture is masked whole")
        _stop_if(interrupt)
        masked = masked_picture(engine, picture, verdict, settings.mask)
        write_picture(masked, target, picture.save, overwrite)
        failed = int(verdict.cover is Cover.BLANKET)
        counts = _Counts(1, len(verdict.regions), 1, failed, dict.fromkeys(Cover, 0.0), picture.stripped)
    return Report(
        veilcast=VERSION,
        versions=versions(),
        input=digest_of(content, source),
        output=digest(target),
        config_sha256=settings.fingerprint(),
        weights=weights_used(settings.detect.detector) if make_detector is None else None,
        second_weights=weights_used(settings.detect.second_detector) if make_detector is None else None,
        frames=counts.frames,
        faces=counts.faces,
        samples=counts.samples,
        failed_samples=counts.failed,
        seconds=Coverage(
            settled=round(counts.seconds[Cover.SETTLED], 6),
            held=round(counts.seconds[Cover.HELD], 6),
            blanket=round(counts.seconds[Cover.BLANKET], 6),
        ),
        damaged=0,
        audio="none",
        stripped=list(counts.stripped),
        warnings=warnings.lines,
        elapsed=round(time.monotonic() - begun, 3),
    )


@dataclass(frozen=True, slots=True)
class _Counts:
    """What the report says of how a picture was masked."""

    frames: int
    faces: int
    samples: int
    failed: int
    seconds: dict[Cover, float]
    stripped: tuple[str, ...]


def _of_animation(made: MaskedAnimation) -> _Counts:
    stats = made.stats
    return _Counts(stats.frames, stats.faces, stats.samples, stats.failed_samples, made.seconds, made.stripped)


def mask_picture(content: bytes, settings: Settings, engine: StillAnonymizer) -> tuple[bytes, PictureKind, int]:
    """The masked copy of a picture file's content, its kind, and how many faces were found; no file is touched.

    `engine` must have been made with the same settings; its `error` says whether the picture is masked whole. Raises
    InputError or OutputError about a file called "picture".
    """
    kind = kind_of(content)
    if kind is not None and is_animation(kind, content):
        made = masked_animation(content, _NAMELESS, settings)
        engine.error = next(iter(made.stats.errors), None)
        return made.content, kind, made.stats.faces
    picture = decoded_picture(content, _NAMELESS, PictureLimit(*settings.picture.max_size))
    verdict = engine.decide(picture.views())
    masked = masked_picture(engine, picture, verdict, settings.mask)
    try:
        return coded(masked, picture.save), picture.kind, len(verdict.regions)
    except (OSError, ValueError, RuntimeError) as error:
        raise OutputError(_NAMELESS, f"cannot be written ({' '.join(str(error).split()).lower()})") from error


def _why_none(path: Path) -> str:
    if not path.exists():
        return "does not exist"
    return "is a directory" if path.is_dir() else "is not a still picture of a supported format"


def _stop_if(interrupt: threading.Event | None) -> None:
    if interrupt is not None and interrupt.is_set():
        raise InterruptedJobError
