"""Reads a picture file: upright, as arrays, with what its copy needs and without everything else."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from core.pictures.planes import BgrImage, Samples
from streamer.errors import InputError
from streamer.file.report import FileDigest
from streamer.media.picture_limit import PictureLimit
from streamer.pictures.deep import deep_channels, is_deep, is_deep_supported
from streamer.pictures.heif import opened_heic
from streamer.pictures.isobmff import picture_boxes
from streamer.pictures.kind import PictureKind, kind_of
from streamer.pictures.left_out import left_out
from streamer.pictures.save_options import SaveOptions, save_options
from streamer.pictures.webp import webp_header

Channels = Samples
"""Shape (height, width) for grey, (height, width, 3) for RGB, uint8 or uint16; (height, width, 4) for CMYK, uint8."""

_PLUGINS: dict[PictureKind, Callable[[io.BytesIO], Image.Image]] = {
    PictureKind.JPEG: JpegImageFile,
    PictureKind.PNG: PngImageFile,
    PictureKind.WEBP: WebPImageFile,
    PictureKind.TIFF: TiffImageFile,
    PictureKind.HEIC: opened_heic,
    PictureKind.AVIF: AvifImageFile,
}
_ANIMATED = "is an animated {}, which is not supported: convert it to a WebP or a video"
_ORIENTATION = 0x0112
_DARK = 0x4000  # of 65536
_SUB_PICTURES, _RAW = 330, 50706  # TIFF tags: a raw photograph's real picture is elsewhere, this one is its preview
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_COLOURS = {
    **{mode: mode for mode in ("L", "LA", "RGB", "RGBA", "CMYK")},
    **{"1": "L", "YCbCr": "RGB", "PA": "RGBA", "RGBa": "RGBA"},
}
"""What a picture of each of Pillow's modes is decoded to; other modes are refused."""


@dataclass(frozen=True, slots=True, eq=False)
class SourcePicture:
    """A decoded picture, upright. It must never be shown to anyone."""

    path: Path
    kind: PictureKind
    colour: Channels
    alpha: Channels | None
    """Opacity, shape (height, width); None if there is none."""
    save: SaveOptions
    stripped: tuple[str, ...]
    """What the file contained besides the picture and its copy does not: names, never values."""
    loss: str | None = None
    """What the copy has less of than the original, in one line."""

    def views(self) -> list[BgrImage]:
        """The picture as BGR, for detectors: another over white if it is transparent, another of a dark one of 16 bits.

        That is what cameras of 10, 12 or 14 bits write: black here, and brightened by whoever opens it.
        """
        views = [_bgr(_bytes(self.colour))]
        if self.alpha is not None and int(self.alpha.min()) < np.iinfo(self.alpha.dtype).max:
            opacity = _bytes(self.alpha)[..., None].astype(np.float32) / 255
            views.append(np.asarray(views[0] * opacity + 255 * (1 - opacity), np.uint8))
        if self.colour.dtype != np.uint8 and 0 < (brightest := int(self.colour.max())) < _DARK:
            views.append(_bgr(np.asarray(cv2.convertScaleAbs(self.colour, alpha=255 / brightest), np.uint8)))
        return views


def _bytes(samples: Channels) -> npt.NDArray[np.uint8]:
    return np.asarray(samples if samples.dtype == np.uint8 else samples >> 8, np.uint8)


def _bgr(samples: npt.NDArray[np.uint8]) -> BgrImage:
    if samples.ndim == 2:
        return np.asarray(cv2.cvtColor(samples, cv2.COLOR_GRAY2BGR), np.uint8)
    if samples.shape[2] == 4:
        height, width = samples.shape[:2]
        rgb = Image.frombytes("CMYK", (width, height), samples.tobytes()).convert("RGB")
        samples = np.asarray(rgb, np.uint8)
    return np.asarray(cv2.cvtColor(samples, cv2.COLOR_RGB2BGR), np.uint8)


def read_picture(path: Path) -> bytes:
    """The content of a picture's file. Raises InputError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({(error.strerror or str(error)).lower()})") from error


def digest_of(content: bytes, path: Path) -> FileDigest:
    """Size and hash of a picture's file, for its report."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return FileDigest(path=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def decoded_picture(content: bytes, path: Path, limit: PictureLimit) -> SourcePicture:
    """Decode the content of a picture's file, called `path` in errors. Raises InputError with one line on why not."""
    kind = kind_of(content)
    if kind is None:
        raise InputError(path, "is not a still picture of a supported format")
    loss = None
    try:
        if kind is PictureKind.WEBP:  # Pillow would make room for the whole picture before it says how large it is
            size, animated = webp_header(content)
            limit.check(path, *size)
            if animated:
                raise InputError(path, _ANIMATED.format(kind))
        if kind in (PictureKind.HEIC, PictureKind.AVIF):
            boxes = picture_boxes(content)
            for size in boxes.sizes:
                limit.check(path, *size)
            if boxes.sequence:
                raise InputError(path, _ANIMATED.format(kind))
            if boxes.depth > 8 and kind is PictureKind.AVIF:
                loss = f"the copy has 8 bits a channel, the original {boxes.depth}"
        # The plugins themselves, not Image.open: that has a limit of its own, and would try other formats.
        with _PLUGINS[kind](io.BytesIO(content)) as image:
            limit.check(path, *image.size)
            _check_supported(path, kind, image, content)
            stripped = left_out(kind, image, content)
            save = save_options(kind, image, content)
            deep = is_deep(kind, image, content)
            deep_turn = _turn(image) if deep else 1  # `load` turns a TIFF
            if not (deep and kind is PictureKind.HEIC):
                image.load()  # also if deep: tells what is damaged
            limit.check(path, *image.size)  # of what was decoded
            if deep:
                colour, alpha = _split(deep_channels(kind, content, deep_turn), (2, 4))
            else:
                upright = _upright(image, _turn(image))
                colour, alpha = _split(np.array(upright, np.uint8), (2, 4) if upright.mode != "CMYK" else ())
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(path, "does not fit into memory") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(path, f"is damaged: the {kind} picture cannot be decoded ({reason})") from error
    return SourcePicture(path, kind, colour, alpha, save, stripped, loss)


def _check_supported(path: Path, kind: PictureKind, image: Image.Image, content: bytes) -> None:
    deep = is_deep(kind, image, content)
    if not is_deep_supported(image) if deep else image.mode not in (*_COLOURS, "P"):
        of_deep = "more than 8 bits a channel in a form that is rare"
        what = of_deep if deep or image.mode[0] in "IF" else f"the colour model {image.mode}"
        raise InputError(path, f"has {what}, which is not supported: convert it to 8-bit RGB")
    if isinstance(image, WebPImageFile) and image.n_frames > 1:
        raise InputError(path, _ANIMATED.format(kind))
    if isinstance(image, TiffImageFile):
        if image.n_frames > 1:
            raise InputError(path, f"has {image.n_frames} pages, which is not supported: save each as a file")
        if {_SUB_PICTURES, _RAW} & set(image.tag_v2):
            raise InputError(path, "is a camera's raw photograph, which is not supported: export it as JPEG or TIFF")


def _turn(image: Image.Image) -> int:
    """The orientation that is left to apply, by its EXIF data, 1 to 8; libheif has turned a HEIC already."""
    if isinstance(image, HeifImageFile):
        return 1
    try:
        turn = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - EXIF data that cannot be read says nothing
        return 1
    return turn if turn in _TRANSPOSE else 1


def _upright(image: Image.Image, turn: int) -> Image.Image:
    """The picture in one of the modes of `_COLOURS`, turned by its EXIF orientation."""
    if image.mode == "P":
        mode = "RGBA" if "transparency" in image.info else "RGB"
    else:
        mode = _COLOURS[image.mode]
        if "transparency" in image.info:
            mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
    converted = image if image.mode == mode else image.convert(mode)
    return converted if turn == 1 else converted.transpose(_TRANSPOSE[turn])


def _split(samples: Channels, with_alpha: tuple[int, ...]) -> tuple[Channels, Channels | None]:
    """Colour and opacity; the last channel is opacity if there are as many as `with_alpha` says."""
    if samples.ndim == 2 or samples.shape[2] not in with_alpha:
        return samples, None
    last = samples.shape[2] - 1
    colour = samples[:, :, 0] if last == 1 else samples[:, :, :last]
    return np.ascontiguousarray(colour), np.ascontiguousarray(samples[:, :, last])
