"""Animated pictures: GIF, APNG, WebP and AVIF, masked frame by frame as a video is, and animated again."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import av
import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.anonymizer import Anonymizer
from core.detect.detection import Detector
from core.engine import Stats
from core.frame import Cover, Frame, Verdict
from core.masked_frame import MaskedFrame
from core.still import StillAnonymizer
from streamer.errors import InputError, InterruptedJobError, OutputError
from streamer.media.picture_limit import PictureLimit
from streamer.pictures.isobmff import picture_boxes
from streamer.pictures.kind import PictureKind, is_animated_png, picture_kind
from streamer.pictures.left_out import left_out
from streamer.pictures.source import read_picture
from streamer.pictures.webp import is_lossless, webp_header
from streamer.settings.file import Settings

_PLUGINS: Final[dict[PictureKind, Callable[[io.BytesIO], Image.Image]]] = {
    PictureKind.GIF: GifImageFile,
    PictureKind.PNG: PngImageFile,
    PictureKind.WEBP: WebPImageFile,
    PictureKind.AVIF: AvifImageFile,
}
_MOST_PIXELS: Final = 250_000_000  # of all frames together: the copy's are in memory until it is coded
_USUAL: Final = 100  # ms for a frame that says nothing, or less than `_SHORTEST`, as browsers do it
_SHORTEST: Final = 20
_QUALITY: Final = 90
_WHITE: Final = (255, 255, 255)


@dataclass(frozen=True, slots=True, eq=False)
class MaskedAnimation:
    """The coded copy of an animation, and how it was masked; `seconds` by cover."""

    content: bytes
    stats: Stats
    seconds: dict[Cover, float]
    stripped: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """What a frame has besides its colours: opacity, shape (height, width), None if opaque; ms that it is shown."""

    alpha: npt.NDArray[np.uint8] | None
    duration: int

    @property
    def seconds(self) -> float:
        return (self.duration if self.duration >= _SHORTEST else _USUAL) / 1000


def is_animation(kind: PictureKind, content: bytes) -> bool:
    """Whether a picture file is masked here: every GIF, and the others if they have more than one frame."""
    if kind is PictureKind.WEBP:
        return webp_header(content)[1]
    if kind is PictureKind.AVIF:
        return picture_boxes(content).sequence
    return kind is PictureKind.GIF or (kind is PictureKind.PNG and is_animated_png(content))


def is_animation_file(path: Path) -> bool:
    """Whether the file holds an animation. Raises InputError if it cannot be read."""
    kind = picture_kind(path)
    return kind is not None and is_animation(kind, read_picture(path))


def masked_animation(
    content: bytes,
    path: Path,
    settings: Settings,
    make_detector: Callable[[], Detector] | None = None,
    interrupt: threading.Event | None = None,
) -> MaskedAnimation:
    """Mask the animation that a file holds; `path` is what it is called in errors.

    Frames are kept with their times. Raises InputError, OutputError and InterruptedJobError.
    """
    kind, limit = _kind(content), PictureLimit(*settings.picture.max_size)
    try:
        with _PLUGINS[kind](io.BytesIO(content)) as image:
            count = _checked(image, path, limit)
            stripped = left_out(kind, image, content)
            loop = image.info.get("loop")
            frames = _frames(image, count)
            painter = _Painter(settings, make_detector, interrupt)
            masked = list(painter.masked(frames))
    except (InputError, InterruptedJobError):
        raise
    except MemoryError as error:
        raise InputError(path, "does not fit into memory") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(path, f"is damaged: the {kind} animation cannot be decoded ({reason})") from error
    try:
        coded = _coded(kind, masked, loop if isinstance(loop, int) else None, content)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise OutputError(path, f"its copy cannot be coded ({' '.join(str(error).split()).lower()})") from error
    return MaskedAnimation(coded, painter.stats, painter.seconds, stripped)


def _kind(content: bytes) -> PictureKind:
    if content.startswith(b"GIF8"):
        return PictureKind.GIF
    if content.startswith(b"\x89PNG"):
        return PictureKind.PNG
    return PictureKind.WEBP if content[:4] == b"RIFF" else PictureKind.AVIF


def _checked(image: Image.Image, path: Path, limit: PictureLimit) -> int:
    """The number of frames. Raises InputError if they are too large, or too many."""
    limit.check(path, *image.size)
    count = int(getattr(image, "n_frames", 1))
    if count * image.width * image.height > _MOST_PIXELS:
        most = _MOST_PIXELS // (image.width * image.height)
        raise InputError(path, f"has {count} frames, more than the {most} that fit at this size: convert it to a video")
    return count


def _frames(image: Image.Image, count: int) -> Iterator[Frame]:
    """Whole frames as a viewer sees them, with their times. What nobody can see is white."""
    time = 0.0
    for number in range(count):
        image.seek(number)
        samples = np.array(image.convert("RGBA"), np.uint8)  # decodes it, and then knows how long it is shown
        opacity = np.ascontiguousarray(samples[:, :, 3])
        colour = np.where(opacity[..., None] == 0, np.uint8(255), samples[:, :, :3])
        shown = _Shown(None if opacity.min() == 255 else opacity, round(image.info.get("duration") or _USUAL))
        yield Frame(number, av.VideoFrame.from_ndarray(np.ascontiguousarray(colour), "rgb24"), time, tag=shown)
        time += shown.seconds


class _Painter:
    """Masks the frames of one animation; afterwards `stats` and `seconds` say how."""

    def __init__(
        self, settings: Settings, make_detector: Callable[[], Detector] | None, interrupt: threading.Event | None
    ) -> None:
        self.stats = Stats()
        self.seconds = dict.fromkeys(Cover, 0.0)
        self._settings, self._make_detector, self._interrupt = settings, make_detector, interrupt
        opaque = {"style": "solid", "color": _WHITE, "outline": False}
        self._opaque = settings.mask.model_copy(update=opaque)
        self._still = StillAnonymizer(settings)  # paints opacity; it has no detector to load for that

    def masked(self, frames: Iterator[Frame]) -> Iterator[tuple[Image.Image, int]]:
        """Every frame as a picture, and the ms that it is shown."""
        with Anonymizer(self._settings, self._make_detector) as engine:
            for frame in frames:
                if self._interrupt is not None and self._interrupt.is_set():
                    raise InterruptedJobError
                yield from map(self._shown, engine.push(frame))
            yield from map(self._shown, engine.flush())
            self.stats = engine.stats

    def _shown(self, masked: MaskedFrame) -> tuple[Image.Image, int]:
        shown = cast(_Shown, masked.tag)
        self.seconds[masked.cover] += shown.seconds
        image = Image.fromarray(np.ascontiguousarray(masked.video.to_ndarray()))
        if shown.alpha is not None:
            verdict = Verdict(masked.cover, masked.regions, masked.mask_age)
            alpha = self._still.paint(av.VideoFrame.from_ndarray(shown.alpha, "gray"), verdict, self._opaque)
            image.putalpha(Image.fromarray(np.ascontiguousarray(alpha.video.to_ndarray())))
        return image, shown.duration


def _coded(kind: PictureKind, frames: list[tuple[Image.Image, int]], loop: int | None, content: bytes) -> bytes:
    images = [image for image, _ in frames]
    if len({image.mode for image in images}) > 1:
        images = [image.convert("RGBA") for image in images]
    options: dict[str, object] = {"duration": [duration for _, duration in frames]}
    if loop is not None:
        options["loop"] = loop
    if kind is PictureKind.WEBP:
        lossless = is_lossless(content)
        options |= {"lossless": lossless, "quality": _QUALITY, "exact": lossless}
    elif kind is PictureKind.GIF:
        options["disposal"] = 2 if images[0].mode == "RGBA" else 0
    elif kind is PictureKind.AVIF:
        options["quality"] = _QUALITY
    out = io.BytesIO()
    first, *others = images
    first.save(out, kind.upper(), save_all=True, append_images=others, **options)
    return out.getvalue()
