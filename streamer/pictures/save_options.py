"""How the copy of a picture is coded: like the original, so that what is not masked changes as little as possible."""

from __future__ import annotations

import struct
from typing import Final

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngInfo

from streamer.pictures.heif import heic_options
from streamer.pictures.isobmff import picture_boxes
from streamer.pictures.kind import PictureKind
from streamer.pictures.webp import is_lossless

SaveOptions = dict[str, object]
"""Keyword arguments for Pillow's `save`; for HEIC, those of `coded_heic`."""

CICP: Final = "cicp"
"""An option that Pillow does not know: what `with_colours` writes into an AVIF file."""

_TIFF_LOSSLESS: Final = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd")
_COLOUR_CHUNKS: Final = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_WEBP_QUALITY: Final = 90  # a file does not say with which it was made
_AVIF_QUALITY: Final = 85
_AVIF_SPEED: Final = 7  # a third of the time of Pillow's own choice, for files a tenth larger


def save_options(kind: PictureKind, image: Image.Image, content: bytes) -> SaveOptions:
    """What keeps colours, density and coding of `image`, a file of this kind with this content, in its copy."""
    if kind is PictureKind.HEIC:
        profile = image.info.get("icc_profile")
        return heic_options(picture_boxes(content)) | ({"icc_profile": profile} if profile else {})
    options: SaveOptions = {"format": kind.upper()}
    if profile := image.info.get("icc_profile"):
        options["icc_profile"] = profile
    if density := image.info.get("dpi"):
        options["dpi"] = density
    if isinstance(image, JpegImageFile):
        options |= _jpeg(image)
    elif kind is PictureKind.PNG:
        options["pnginfo"] = _colour_chunks(content)
    elif kind is PictureKind.WEBP:
        lossless = is_lossless(content)
        options |= {"lossless": lossless, "exact": lossless, "quality": _WEBP_QUALITY}
    elif kind is PictureKind.AVIF:
        options |= _avif(content)
    else:
        coding = image.info.get("compression")
        options["compression"] = coding if coding in _TIFF_LOSSLESS else "tiff_adobe_deflate"
    return options


def _jpeg(image: JpegImageFile) -> SaveOptions:
    """The same quantisation tables and subsampling; a block that is not masked is then coded to nearly the same."""
    sampling = get_sampling(image)  # -1: none that has a name
    options: SaveOptions = {
        "qtables": [image.quantization[key] for key in sorted(image.quantization)],
        "progressive": bool(image.info.get("progressive")),
        "optimize": True,
    }
    if image.layers == 3:
        options["subsampling"] = max(0, sampling)
        options["keep_rgb"] = image.info.get("adobe_transform") == 0
    return options


def _avif(content: bytes) -> SaveOptions:
    boxes = picture_boxes(content)
    lossless = boxes.matrix == 0 and boxes.subsampling == "4:4:4"  # coded as RGB: nobody does so for a lossy copy
    quality = 100 if lossless else _AVIF_QUALITY
    options: SaveOptions = {"quality": quality, "speed": _AVIF_SPEED, "subsampling": boxes.subsampling or "4:2:0"}
    return options if boxes.colours is None else options | {CICP: boxes.colours}


def _colour_chunks(content: bytes) -> PngInfo:
    """The PNG chunks that say what its colours mean."""
    info, at = PngInfo(), 8
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if name == b"IDAT":
            break
        if name in _COLOUR_CHUNKS:
            info.add(name, content[at + 8 : at + 8 + length])
        at += 12 + length
    return info
