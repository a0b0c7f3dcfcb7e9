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

from core.pictures.planes import BgrImage
from streamer.errors import InputError
from streamer.file.report import FileDigest
from streamer.media.picture_limit import PictureLimit
from streamer.pictures.heif import opened_heic
from streamer.pictures.isobmff import picture_boxes
from streamer.pictures.kind import PictureKind, kind_of
from streamer.pictures.left_out import left_out
from streamer.pictures.save_options import SaveOptions, save_options
from streamer.pictures.webp import webp_header

Channels = npt.NDArray[np.uint8]
"""Shape (height, width) for grey, (height, width, 3) for RGB, (height, width, 4) for CMYK; uint8."""

_PLUGINS: dict[PictureKind, Callable[[io.BytesIO], Image.Image]] = {
    PictureKind.JPEG: JpegImageFile,
    PictureKind.PNG: PngImageFile,
    PictureKind.WEBP: WebPImageFile,
    PictureKind.TIFF: TiffImageFile,
    PictureKind.HEIC: opened_heic,
    PictureKind.AVIF: AvifImageFile,
}
_ANIMATED = "is an animated {}, which is not supported: convert it to a GIF or a video"
_ORIENTATION = 0x0112
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
    digest: FileDigest
    loss: str | None = None
    """What the copy has less of than the original, in one line."""

    def views(self) -> list[BgrImage]:
        """The picture as BGR, for detectors; a second one over white if parts of it are transparent."""
        if self.colour.ndim == 2:
            plain = cv2.cvtColor(self.colour, cv2.COLOR_GRAY2BGR)
        elif self.colour.shape[2] == 4:
            height, width = self.colour.shape[:2]
            rgb = Image.frombytes("CMYK", (width, height), self.colour.tobytes()).convert("RGB")
            plain = cv2.cvtColor(np.asarray(rgb, np.uint8), cv2.COLOR_RGB2BGR)
        else:
            plain = cv2.cvtColor(self.colour, cv2.COLOR_RGB2BGR)
        picture = np.asarray(plain, np.uint8)
        if self.alpha is None or int(self.alpha.min()) == 255:
            return [picture]
        opacity = self.alpha[..., None].astype(np.float32) / 255
        return [picture, np.asarray(picture * opacity + 255 * (1 - opacity), np.uint8)]


def load_picture(path: Path, limit: PictureLimit) -> SourcePicture:
    """Read and decode a picture. Raises InputError with one line that says why it cannot be."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({(error.strerror or str(error)).lower()})") from error
    kind = kind_of(content)
    if kind is None:
        raise InputError(path, "is not a still picture of a supported format")
    if kind is PictureKind.WEBP:  # Pillow would make room for the whole picture before it says how large it is
        size, animated = webp_header(content)
        limit.check(path, *size)
        if animated:
            raise InputError(path, _ANIMATED.format(kind))
    loss = None
    if kind in (PictureKind.HEIC, PictureKind.AVIF):
        boxes = picture_boxes(content)
        for size in boxes.sizes:
            limit.check(path, *size)
        if boxes.sequence:
            raise InputError(path, _ANIMATED.format(kind))
        if boxes.depth > 8:
            loss = f"the copy has 8 bits a channel, the original {boxes.depth}"
    try:
        # The plugins themselves, not Image.open: that has a limit of its own, and would try other formats.
        with _PLUGINS[kind](io.BytesIO(content)) as image:
            limit.check(path, *image.size)
            _check_supported(path, kind, image, content)
            stripped = left_out(kind, image, content)
            save = save_options(kind, image, content)
            image.load()
            limit.check(path, *image.size)  # of what was decoded
            upright = _upright(image, turned=kind is PictureKind.HEIC)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(path, "does not fit into memory") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(path, f"is damaged: the {kind} picture cannot be decoded ({reason})") from error
    colour, alpha = _channels(upright)
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    digest = FileDigest(path=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return SourcePicture(path, kind, colour, alpha, save, stripped, digest, loss)


def _check_supported(path: Path, kind: PictureKind, image: Image.Image, content: bytes) -> None:
    deep = kind is PictureKind.PNG and content[24] == 16
    if deep or image.mode not in (*_COLOURS, "P"):
        what = "more than 8 bits a channel" if deep or image.mode[0] in "IF" else f"the colour model {image.mode}"
        raise InputError(path, f"has {what}, which is not supported: convert it to 8-bit RGB")
    if isinstance(image, WebPImageFile) and image.n_frames > 1:
        raise InputError(path, _ANIMATED.format(kind))
    if isinstance(image, TiffImageFile):
        if image.n_frames > 1:
            raise InputError(path, f"has {image.n_frames} pages, which is not supported: save each as a file")
        if {_SUB_PICTURES, _RAW} & set(image.tag_v2):
            raise InputError(path, "is a camera's raw photograph, which is not supported: export it as JPEG or TIFF")


def _upright(image: Image.Image, turned: bool) -> Image.Image:
    """The picture in one of the modes that `_channels` knows, turned as its EXIF data says unless it is `turned`."""
    try:
        turn = None if turned else _TRANSPOSE.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - EXIF data that cannot be read says nothing
        turn = None
    if image.mode == "P":
        mode = "RGBA" if "transparency" in image.info else "RGB"
    else:
        mode = _COLOURS[image.mode]
        if "transparency" in image.info:
            mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
    converted = image if image.mode == mode else image.convert(mode)
    return converted if turn is None else converted.transpose(turn)


def _channels(image: Image.Image) -> tuple[Channels, Channels | None]:
    samples = np.array(image, np.uint8)
    if image.mode in ("LA", "RGBA"):
        count = samples.shape[2] - 1
        colour = samples[:, :, 0] if count == 1 else samples[:, :, :count]
        return np.ascontiguousarray(colour), np.ascontiguousarray(samples[:, :, count])
    return samples, None
