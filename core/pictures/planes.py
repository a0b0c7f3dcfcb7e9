"""The planes of a decoded picture as arrays, and small BGR pictures made without converting the whole picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import av
import cv2
import numpy as np
import numpy.typing as npt

from core.geometry import Box

BgrImage = npt.NDArray[np.uint8]
"""BGR picture of shape (height, width, 3), uint8."""

Samples = npt.NDArray[np.uint8 | np.uint16]
"""Samples of one plane, shape (height, width) or (height, width, channels), uint8 or uint16."""

Allocate = Callable[[tuple[int, ...], np.dtype[np.uint8 | np.uint16]], Samples]
"""Allocates an uninitialised array of a given shape and type."""

Kind = Literal["luma", "chroma", "packed"]

_BYTE: Final = np.dtype(np.uint8)
_FULL_RANGE: Final = 2  # AVCOL_RANGE_JPEG


class UnsupportedPictureError(ValueError):
    """The picture's pixel format or memory layout is not supported; convert the frame to one of `FORMATS` first."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """One plane of a pixel format: its channels (one letter each), subsampling and maximum value."""

    channels: str
    x_shift: int
    y_shift: int
    max_value: int

    @property
    def kind(self) -> Kind:
        return "luma" if self.channels == "y" else "chroma" if self.channels in ("u", "v", "uv") else "packed"


def _planar(x_shift: int, y_shift: int, bits: int) -> tuple[_Layout, ...]:
    top = (1 << bits) - 1
    return (_Layout("y", 0, 0, top), _Layout("u", x_shift, y_shift, top), _Layout("v", x_shift, y_shift, top))


def _semi_planar(max_value: int) -> tuple[_Layout, ...]:
    return (_Layout("y", 0, 0, max_value), _Layout("uv", 1, 1, max_value))


_SUBSAMPLING: Final = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}

FORMATS: Final[dict[str, tuple[_Layout, ...]]] = {
    **{f"yuv{name}p": _planar(*shift, 8) for name, shift in _SUBSAMPLING.items()},
    **{f"yuvj{name}p": _planar(*shift, 8) for name, shift in _SUBSAMPLING.items()},
    **{f"yuv{name}p{bits}le": _planar(*shift, bits) for name, shift in _SUBSAMPLING.items() for bits in (10, 12)},
    "gray": (_Layout("y", 0, 0, 255),),
    "gray10le": (_Layout("y", 0, 0, 1023),),
    "gray16le": (_Layout("y", 0, 0, 65535),),
    "nv12": _semi_planar(255),
    "p010le": _semi_planar(1023 << 6),  # ten bits, stored in the upper bits of sixteen
    "bgr24": (_Layout("bgr", 0, 0, 255),),
    "rgb24": (_Layout("rgb", 0, 0, 255),),
    "rgb48le": (_Layout("rgb", 0, 0, 65535),),
}
"""Pixel formats that can be read and painted in place, by FFmpeg name."""


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A writable view of one plane, not a copy: `make_writable()` on its frame invalidates it.

    `array` has shape (height, width), or (height, width, channels) if interleaved; uint8, or uint16 up to `max_value`.
    One sample covers `1 << x_shift` by `1 << y_shift` pixels. `channels` is one of y, u, v, uv, bgr, rgb.
    """

    array: Samples
    x_shift: int
    y_shift: int
    kind: Kind
    max_value: int
    channels: str

    @property
    def depth_shift(self) -> int:
        """Number of bits beyond eight: `sample >> depth_shift` fits in a byte."""
        return self.max_value.bit_length() - 8


def planes(video: av.VideoFrame) -> tuple[Plane, ...]:
    """Writable views of all planes, luma first, without row padding.

    Call it after `make_writable()`, which may move the picture in memory. Raises UnsupportedPictureError for a pixel
    format that is not in `FORMATS` and for pictures stored bottom-up.
    """
    layouts = FORMATS.get(video.format.name)
    if layouts is None:
        raise UnsupportedPictureError(
            f"pixel format {video.format.name} is not supported; one of: {', '.join(FORMATS)}"
        )
    views = []
    for raw, layout in zip(video.planes, layouts, strict=True):
        dtype = np.dtype(np.uint8 if layout.max_value < 256 else np.uint16)
        stride, count = raw.line_size, len(layout.channels)
        if stride < 0:
            raise UnsupportedPictureError("pictures stored bottom-up (negative line size) are not supported")
        shape: tuple[int, ...] = (raw.height, raw.width)
        strides: tuple[int, ...] = (stride, dtype.itemsize * count)
        if count > 1:
            shape, strides = (*shape, count), (*strides, dtype.itemsize)
        array: Samples = np.ndarray(shape, dtype, buffer=memoryview(raw), strides=strides)
        views.append(Plane(array, layout.x_shift, layout.y_shift, layout.kind, layout.max_value, layout.channels))
    return tuple(views)


def fresh(shape: tuple[int, ...], dtype: np.dtype[np.uint8 | np.uint16]) -> Samples:
    """A newly allocated, uninitialised array."""
    return np.empty(shape, dtype)


def copied(video: av.VideoFrame) -> av.VideoFrame:
    """A copy of the picture in its own memory: painting one does not change the other.

    Raises UnsupportedPictureError like `planes`.
    """
    views = planes(video)
    copy = av.VideoFrame(video.width, video.height, video.format.name)
    copy.color_range, copy.colorspace = video.color_range, video.colorspace
    for ours, theirs in zip(planes(copy), views, strict=True):
        ours.array[...] = theirs.array
    return copy


def is_full_range(video: av.VideoFrame) -> bool:
    """Whether samples use the full range (0 to 255) instead of limited range (16 to 235)."""
    return video.format.name.startswith(("yuvj", "gray", "bgr", "rgb")) or video.color_range == _FULL_RANGE


def shrink(video: av.VideoFrame, width: int, height: int, new: Allocate = fresh) -> BgrImage:
    """The whole coded picture as BGR at `width` x `height` pixels: (height, width, 3), uint8, not turned upright.

    The planes are scaled before they are converted to BGR. `new` allocates most of the arrays needed. Raises
    UnsupportedPictureError like `planes`, and ValueError if the size is not positive.
    """
    _check_size(width, height)
    return _resample(video, (0, 0, video.width, video.height), width, height, new)


def crop(video: av.VideoFrame, box: Box, width: int, height: int, new: Allocate = fresh) -> BgrImage:
    """The part of the coded picture in `box` (coded pixels) as BGR at `width` x `height`: (height, width, 3), uint8.

    Areas outside the picture are black. Edges are rounded to whole pixels of the picture. `new` allocates most of the
    arrays needed. Raises UnsupportedPictureError like `planes`, and ValueError for an invalid box or a size that is not
    positive.
    """
    _check_size(width, height)
    if not box.is_valid():
        raise ValueError(f"cannot crop to {box}")
    inside = box.clipped(video.width, video.height)
    # Rounded so that a box thinner than a pixel still shows that pixel.
    x0, y0 = min(round(inside.x0), video.width - 1), min(round(inside.y0), video.height - 1)
    source = (x0, y0, max(x0 + 1, round(inside.x1)), max(y0 + 1, round(inside.y1)))
    if inside == box:
        return _resample(video, source, width, height, new)
    picture: BgrImage = np.asarray(new((height, width, 3), _BYTE), np.uint8)
    picture[...] = 0
    fx, fy = width / box.width, height / box.height
    left, right = round((inside.x0 - box.x0) * fx), round((inside.x1 - box.x0) * fx)
    top, bottom = round((inside.y0 - box.y0) * fy), round((inside.y1 - box.y0) * fy)
    if right > left and bottom > top:
        picture[top:bottom, left:right] = _resample(video, source, right - left, bottom - top, new)
    return picture


def luma_thumbnail(video: av.VideoFrame, width: int = 64, height: int = 36) -> npt.NDArray[np.uint8]:
    """A rough grey thumbnail of the coded frame, (height, width), uint8, for detecting cuts and motion.

    Averages only some of the rows. For a packed picture it is the green channel. Raises UnsupportedPictureError like
    `planes`.
    """
    plane = planes(video)[0]
    # Three rows per thumbnail pixel: reading rows is what takes time.
    step = max(1, plane.array.shape[0] // (height * 3))
    rows = plane.array[::step]
    small = np.asarray(cv2.resize(rows, (width, height), interpolation=cv2.INTER_AREA), rows.dtype)
    if small.ndim == 3:
        small = small[:, :, 1]
    return _to_byte(small, 2.0**-plane.depth_shift, 0.0)


def scaled(view: Samples, width: int, height: int, new: Allocate = fresh) -> Samples:
    """Resize samples of shape (height, width) or (height, width, channels); returned as they are if the size matches.

    Halves as often as possible, then interpolates linearly: hardly any aliasing, and much faster than area averaging at
    an odd ratio. `new` allocates most of the arrays needed.
    """

    def linear(source: Samples, columns: int, rows: int) -> Samples:
        out = new((rows, columns, *source.shape[2:]), source.dtype)
        return np.asarray(cv2.resize(source, (columns, rows), dst=out, interpolation=cv2.INTER_LINEAR), source.dtype)

    # At exactly half the size, linear averages two samples, twenty times faster than INTER_AREA at an odd ratio.
    while (tall := view.shape[0] >= 2 * height) | (wide := view.shape[1] >= 2 * width):
        rows, columns = view.shape[0] >> tall, view.shape[1] >> wide
        view = linear(view[: rows << tall, : columns << wide], columns, rows)
    return view if view.shape[:2] == (height, width) else linear(view, width, height)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"size must be positive, not {width} x {height}")


def _resample(
    video: av.VideoFrame, part: tuple[int, int, int, int], width: int, height: int, new: Allocate
) -> BgrImage:
    """The rectangle `x0, y0, x1, y1` (inside the picture) as BGR at `width` x `height`."""
    x0, y0, x1, y1 = part
    even = width + width % 2, height + height % 2  # the chroma of the small picture has half its size
    full = is_full_range(video)
    luma: npt.NDArray[np.uint8] | None = None
    chroma: list[npt.NDArray[np.uint8]] = []
    for plane in planes(video):
        view = plane.array[
            y0 >> plane.y_shift : math.ceil(y1 / (1 << plane.y_shift)),
            x0 >> plane.x_shift : math.ceil(x1 / (1 << plane.x_shift)),
        ]
        to_byte = 2.0**-plane.depth_shift
        if plane.kind == "packed":
            small = _to_byte(scaled(view, width, height, new), to_byte, 0.0)
            return small if plane.channels == "bgr" else np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR), np.uint8)
        # The conversion below expects limited range.
        if plane.kind == "luma":
            gain, offset = (219 / 255, 16.0) if full else (1.0, 0.0)
            luma = _to_byte(scaled(view, width, height, new), to_byte * gain, offset)
        else:
            gain, offset = (224 / 255, 128 * 31 / 255) if full else (1.0, 0.0)
            chroma.append(_to_byte(scaled(view, even[0] // 2, even[1] // 2, new), to_byte * gain, offset))
    assert luma is not None  # all formats except packed ones have a luma plane
    if not chroma:
        chroma = [np.full((even[1] // 2, even[0] // 2, 2), 128, np.uint8)]
    both = chroma[0]
    if len(chroma) > 1:
        both = np.asarray(cv2.merge(chroma, dst=new((*both.shape, 2), _BYTE)), np.uint8)
    if even != (width, height):
        edge = 0, even[1] - height, 0, even[0] - width
        luma = np.asarray(cv2.copyMakeBorder(luma, *edge, cv2.BORDER_REPLICATE), np.uint8)
    out = new((even[1], even[0], 3), _BYTE)
    picture = np.asarray(cv2.cvtColorTwoPlane(luma, both, cv2.COLOR_YUV2BGR_NV12, dst=out), np.uint8)
    return np.ascontiguousarray(picture[:height, :width])


def _to_byte(samples: Samples, gain: float, offset: float) -> npt.NDArray[np.uint8]:
    if samples.dtype == np.uint8 and gain == 1.0:
        return np.ascontiguousarray(samples, np.uint8)
    return np.asarray(cv2.convertScaleAbs(samples, alpha=gain, beta=offset), np.uint8)
