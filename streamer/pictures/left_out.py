"""What a picture file holds besides its picture: all of it is left out of the copy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from streamer.pictures.isobmff import picture_boxes
from streamer.pictures.kind import PictureKind, jpeg_end

_GPS, _THUMBNAIL = 0x8825, 1  # EXIF directories
_TIFF_TEXTS: Final = {270: "description", 271: "device", 272: "device", 305: "software", 306: "date", 315: "author"}
_PADDING: Final = 16  # bytes
_INFO: Final = {
    "xmp": "XMP data",
    "XML:com.adobe.xmp": "XMP data",
    "photoshop": "Photoshop data (IPTC)",
    "comment": "comment",
    "mp": "further pictures (MPF)",
}


def left_out(kind: PictureKind, image: Image.Image, content: bytes) -> tuple[str, ...]:
    """Everything that a plain copy would keep and the masked one drops: names, never values."""
    return tuple(dict.fromkeys(_items(kind, image, content)))


def _items(kind: PictureKind, image: Image.Image, content: bytes) -> Iterator[str]:
    if image.info.get("exif") or (kind is PictureKind.PNG and b"eXIf" in content):
        yield "EXIF data"
    yield from (name for key, name in _INFO.items() if key in image.info)
    if kind in (PictureKind.HEIC, PictureKind.AVIF):
        yield from picture_boxes(content).besides
        if getattr(image, "n_frames", 1) > 1:
            yield "further pictures"
    if isinstance(image, PngImageFile) and image.text:
        yield "text"
    with contextlib.suppress(Exception):  # damaged EXIF data raises anything; it is dropped all the same
        exif = image.getexif()
        if exif.get_ifd(_GPS):
            yield "GPS position"
        if exif.get_ifd(_THUMBNAIL):
            yield "thumbnail"
        if kind is PictureKind.TIFF:
            yield from (name for tag, name in _TIFF_TEXTS.items() if tag in exif)
    if kind is PictureKind.JPEG and len(content) - jpeg_end(content) > _PADDING:
        yield "data after the picture"
