"""Pictures of more than 8 bits a channel, which Pillow cannot hold in colour: PNG, TIFF and HEIC with 16 bits each."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from streamer.pictures.kind import PictureKind

DeepChannels = npt.NDArray[np.uint16]
"""Shape (height, width) for grey, (height, width, channels) for the rest: RGB, or grey and opacity, or RGB and both."""

_GREY, _RGB = 1, 2  # TIFF: black is zero; red, green, blue
_QUARTER_TURNS: Final = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}  # against the clock, by EXIF orientation
_MIRRORED: Final = (2, 4, 5, 7)
_DPI: Final = 39.3701  # inches in a metre
_TYPES: Final = {3: "H", 4: "I", 5: "II", 7: "s"}  # of TIFF fields


def is_deep(kind: PictureKind, image: Image.Image, content: bytes) -> bool:
    """Whether the file has more than 8 bits a channel."""
    if kind is PictureKind.PNG:
        return content[24] == 16
    if kind is PictureKind.HEIC:
        return int(image.info.get("bit_depth", 8)) > 8
    return isinstance(image, TiffImageFile) and max(_fields(image, 258, 1)) > 8


def is_deep_supported(image: Image.Image) -> bool:
    """Whether `deep_channels` can read it: TIFF has many more forms than these."""
    if not isinstance(image, TiffImageFile):
        return True
    samples, extra = image.tag_v2.get(277, 1), len(_fields(image, 338))
    return (
        (image.tag_v2.get(262), samples - extra) in ((_GREY, 1), (_RGB, 3))
        and (samples, extra) in ((1, 0), (3, 0), (4, 1))
        and set(_fields(image, 258, 1)) == {16}
        and set(_fields(image, 339, 1)) == {1}
        and image.tag_v2.get(284, 1) == 1
    )


def deep_channels(kind: PictureKind, content: bytes, turn: int) -> DeepChannels:
    """The picture with 16 bits a channel, upright by its EXIF orientation `turn`. Raises ValueError if damaged."""
    if kind is PictureKind.HEIC:
        samples = _heic(content)
    else:
        plain = _bare_png(content) if kind is PictureKind.PNG else content
        decoded = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_UNCHANGED)
        if decoded is None or decoded.dtype != np.uint16:
            raise ValueError("not 16 bits a channel")
        samples = np.asarray(decoded, np.uint16)
        if samples.ndim == 3:
            samples = samples[:, :, [2, 1, 0, 3][: samples.shape[2]]]
            if kind is PictureKind.PNG and content[25] == 4:  # grey with opacity: what OpenCV has spread to four
                samples = samples[:, :, [0, 3]]
    if turn in _MIRRORED:
        samples = samples[:, ::-1]
    return np.ascontiguousarray(np.rot90(samples, _QUARTER_TURNS.get(turn, 0)))


def deep_png(samples: DeepChannels, options: dict[str, object]) -> bytes:
    """The picture as a PNG file. `options` are Pillow's: `icc_profile`, `dpi` and `pnginfo`."""
    height, width = samples.shape[:2]
    count = 1 if samples.ndim == 2 else samples.shape[2]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[count], 0, 0, 0))]
    if isinstance(profile := options.get("icc_profile"), bytes):
        chunks.append((b"iCCP", b"ICC\0\0" + zlib.compress(profile)))
    chunks += [(chunk[0], chunk[1]) for chunk in getattr(options.get("pnginfo"), "chunks", [])]
    if isinstance(density := options.get("dpi"), tuple):
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(float(value) * _DPI) for value in density), 1)))
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2  # each byte less the one above
    filtered[0, 1:], filtered[1:, 1:] = rows[0], rows[1:] - rows[:-1]
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I4s", len(data), name) + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def deep_tiff(samples: DeepChannels, options: dict[str, object]) -> bytes:
    """The picture as a TIFF file, compressed without loss. `options` are Pillow's: `icc_profile` and `dpi`."""
    height, width = samples.shape[:2]
    count = 1 if samples.ndim == 2 else samples.shape[2]
    steps = samples.reshape(height, width, count).astype("<u2")
    steps[:, 1:] -= steps[:, :-1].copy()  # each sample less the one to the left
    data = zlib.compress(steps.tobytes(), 6)
    colours = 3 if count >= 3 else 1
    fields: dict[int, tuple[int, tuple[int, ...] | bytes]] = {
        256: (4, (width,)), 257: (4, (height,)), 258: (3, (16,) * count), 259: (3, (8,)),
        262: (3, (_GREY if colours == 1 else _RGB,)), 273: (4, (8,)), 277: (3, (count,)), 278: (4, (height,)),
        279: (4, (len(data),)), 284: (3, (1,)), 317: (3, (2,)), 339: (3, (1,) * count),
    }  # fmt: skip
    if isinstance(density := options.get("dpi"), tuple):
        across, down = (round(float(value) * 1000) for value in density)
        fields |= {282: (5, (across, 1000)), 283: (5, (down, 1000)), 296: (3, (2,))}
    if count > colours:
        fields[338] = 3, (2,)  # opacity, not multiplied into the colours
    if isinstance(profile := options.get("icc_profile"), bytes):
        fields[34675] = 7, profile
    return _tiff(data, fields)


def _tiff(data: bytes, fields: dict[int, tuple[int, tuple[int, ...] | bytes]]) -> bytes:
    """A little-endian TIFF file of one strip, `data`, and these fields: type and values by number."""
    begin = 8 + len(data) + len(data) % 2
    beside = begin + 2 + 12 * len(fields) + 4
    entries, large = b"", b""
    for tag, (kind, values) in sorted(fields.items()):
        packed = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{_TYPES[kind][0]}", *values)
        count = len(values) // len(_TYPES[kind])
        if len(packed) > 4:
            at, packed = beside + len(large), packed + b"\0" * (len(packed) % 2)
            large += packed
            packed = struct.pack("<I", at)
        entries += struct.pack("<HHI", tag, kind, count) + packed.ljust(4, b"\0")
    head = struct.pack("<2sHI", b"II", 42, begin)
    return head + data + b"\0" * (len(data) % 2) + struct.pack("<H", len(fields)) + entries + b"\0" * 4 + large


def deep_heic(samples: DeepChannels, options: dict[str, object]) -> bytes:
    """The picture as a HEIC file of `bit_depth` bits. Raises OSError, ValueError or RuntimeError."""
    mode = {1: "L;16", 2: "LA;16", 3: "RGB;16", 4: "RGBA;16"}[1 if samples.ndim == 2 else samples.shape[2]]
    out = io.BytesIO()
    size = samples.shape[1], samples.shape[0]
    pillow_heif.encode(mode, size, samples.astype("<u2").tobytes(), out, **options)
    return out.getvalue()


def _bare_png(content: bytes) -> bytes:
    """The file without what OpenCV's decoder warns of on stderr, profiles and texts."""
    bare, at = [content[:8]], 8
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if name in (b"IHDR", b"tRNS", b"IDAT", b"IEND"):
            bare.append(content[at : at + 12 + length])
        at += 12 + length
    return b"".join(bare)


def _heic(content: bytes) -> DeepChannels:
    heif = pillow_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=False, hdr_to_16bit=True)
    image = heif[heif.primary_index]
    samples = np.frombuffer(image.data, "<u2").reshape(image.size[1], -1, len(image.mode.split(";")[0]))
    samples = samples[:, : image.size[0]]
    return np.asarray(samples[:, :, 0] if samples.shape[2] == 1 else samples, np.uint16)


def _fields(image: TiffImageFile, tag: int, default: int | None = None) -> tuple[int, ...]:
    """The values of a TIFF field, none or the default if it is not there."""
    values = image.tag_v2.get(tag, () if default is None else (default,))
    return values if isinstance(values, tuple) else (values,)
