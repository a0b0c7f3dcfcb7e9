"""HEIC by libheif, with libde265 and x265 inside: Pillow itself reads and writes AVIF only."""

from __future__ import annotations

import io

import pillow_heif
from PIL import Image
from pillow_heif import HeifImageFile

from streamer.pictures.isobmff import PictureBoxes

_QUALITY = 75  # a file does not say with which it was made; whatever is not masked stays within 40 dB
_BT601, _FULL_RANGE = 6, 1


def opened_heic(content: io.BytesIO) -> Image.Image:
    """The main picture, not yet decoded, turned as its boxes say; libheif's own limits guard against loops."""
    image: Image.Image = HeifImageFile(content)  # type: ignore[no-untyped-call]
    return image


def heic_options(boxes: PictureBoxes) -> dict[str, object]:
    """How the copy of a HEIC file is coded: subsampling and colours as in the original."""
    chroma = {"4:4:4": 444, "4:2:2": 422}.get(boxes.subsampling or "", 420)
    options: dict[str, object] = {"format": "HEIF", "quality": _QUALITY, "chroma": chroma}
    if boxes.depth > 8:
        options["bit_depth"] = min(boxes.depth, 12)
    if boxes.colours is not None:
        options["color_primaries"] = int.from_bytes(boxes.colours[:2], "big")
        options["transfer_characteristics"] = int.from_bytes(boxes.colours[2:], "big")
        options |= {"matrix_coefficients": _BT601, "full_range_flag": _FULL_RANGE}
    return options


def coded_heic(image: Image.Image, options: dict[str, object]) -> bytes:
    """The picture as a file that holds nothing else. Raises OSError, ValueError or RuntimeError."""
    out = io.BytesIO()
    pillow_heif.encode(image.mode, image.size, image.tobytes(), out, **options)
    return out.getvalue()
