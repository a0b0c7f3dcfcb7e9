"""Properties of a video's pictures: size, pixel format, colour tags, interlacing, HDR data."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.codec.codec import find_best_pix_fmt_of_list
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType

from core.pictures.planes import FORMATS

SUPPORTED_FORMATS = tuple(name for name in FORMATS if not av.VideoFormat(name).is_rgb and name != "gray16le")
"""Pixel formats that the masker handles without conversion and encoders of videos take."""

_RATIONAL = struct.Struct("=2i")


def closest_supported(pixel_format: str) -> str:
    """The supported format that loses the least of `pixel_format`; the same if it is supported."""
    if pixel_format in SUPPORTED_FORMATS:
        return pixel_format
    plain = [name for name in SUPPORTED_FORMATS if not name.startswith(("yuvj", "nv12", "p010"))]
    best, _ = find_best_pix_fmt_of_list(plain, pixel_format)
    return best.name if best is not None else "yuv444p"


@dataclass(frozen=True, slots=True)
class HdrData:
    """Static HDR metadata: mastering display as an `x265-params` string, light levels in cd/m2."""

    mastering_display: str | None = None
    content_light: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """The format of all pictures of one video. Colour tags are FFmpeg's numbers; 2 (0 for range) is unspecified."""

    width: int
    height: int
    pixel_format: str
    color_range: int = 0
    color_primaries: int = 2
    color_trc: int = 2
    colorspace: int = 2
    sample_aspect_ratio: Fraction | None = None
    field_order: int = 0
    hdr: HdrData = HdrData()

    @property
    def depth(self) -> int:
        """Bits per sample."""
        return max(component.bits for component in av.VideoFormat(self.pixel_format).components)

    @property
    def interlaced(self) -> bool:
        """Whether a picture contains two fields of different instants."""
        return self.field_order > 1


def _unknown(cls: type[SideDataType], value: object) -> SideDataType:
    """An enum member for side data types that PyAV does not know, such as EXIF.

    Without it, PyAV raises ValueError for all side data of a frame, and a single photograph would end a job.
    """
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is not a side data type")
    member = object.__new__(cls)
    member._name_ = f"UNKNOWN_{value}"
    member._value_ = value  # type: ignore[assignment]
    return cls._value2member_map_.setdefault(value, member)  # type: ignore[return-value]


SideDataType._missing_ = classmethod(_unknown)  # type: ignore[method-assign,assignment]
EXIF = SideDataType(31)  # AV_FRAME_DATA_EXIF


def side_data(frame: av.VideoFrame) -> Iterator[SideData]:
    """All side data of a frame, including types that PyAV does not know."""
    container = frame.side_data
    for index in range(len(container)):
        yield container[index]  # type: ignore[literal-required]


def hdr_of(frame: av.VideoFrame) -> HdrData:
    """The static HDR metadata of a frame."""
    display, light = None, None
    for item in side_data(frame):
        if item.type is SideDataType.MASTERING_DISPLAY_METADATA:
            display = mastering_display(bytes(item))
        elif item.type is SideDataType.CONTENT_LIGHT_LEVEL:
            light = struct.unpack_from("=2I", bytes(item))
    return HdrData(display, light)


def mastering_display(data: bytes) -> str | None:
    """AVMasteringDisplayMetadata in the notation of x264 and x265; None if it is incomplete."""
    if len(data) < 88 or struct.unpack_from("=2i", data, 80) != (1, 1):
        return None
    values = [Fraction(num, den) if den else Fraction(0) for num, den in _RATIONAL.iter_unpack(data[:80])]
    if not all(0 <= value <= 10_000 for value in values):  # cd/m2; the other values are far smaller
        return None
    red, green, blue, white = ([round(v * 50_000) for v in values[i : i + 2]] for i in (0, 2, 4, 6))
    low, high = (round(v * 10_000) for v in values[8:10])
    points = (("G", green), ("B", blue), ("R", red), ("WP", white))
    return "".join(f"{name}({x},{y})" for name, (x, y) in points) + f"L({high},{low})"
