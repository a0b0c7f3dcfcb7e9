"""What a sequence parameter set says about its pictures, for H.264 and HEVC alike. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from streamer.gops.bits import BitReader
from streamer.gops.uncopyable import UncopyableError

UNSPECIFIED: Final = 2

_ASPECTS: Final = (
    *((0, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33), (18, 11)),
    *((15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1)),
)
_EXTENDED_SAR = 255
_PADDING = 16  # px that fill the last blocks of a row or a column


@dataclass(frozen=True, slots=True)
class Signal:
    """How samples are to be shown. Colour numbers are those of H.273; `aspect` is that of a sample, None: square."""

    full_range: bool = False
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    aspect: Fraction | None = None


@dataclass(frozen=True, slots=True)
class SequenceLook:
    """What pictures look like: size in pixels, chroma (0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4), bits per sample, signal."""

    width: int
    height: int
    chroma: int
    depth: int
    signal: Signal = Signal()


def cropped(bits: BitReader, width: int, height: int, chroma: int) -> tuple[int, int]:
    """Size in pixels of what is shown of a coded picture (H.264, 7.4.2.1.1; HEVC, 7.4.3.2.1).

    Raises UncopyableError if more is left out than fills the last blocks: nobody has looked there for faces.
    """
    across, down = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1)
    left, right, top, bottom = bits.ue(width), bits.ue(width), bits.ue(height), bits.ue(height)
    if left or top or max(across * right, down * bottom) > _PADDING:
        raise UncopyableError("its pictures hold more than they show")
    return width - across * right, height - down * bottom


def read_signal(bits: BitReader) -> Signal:
    """Aspect ratio, overscan, video signal and chroma location (H.264, E.1.1)."""
    aspect, full, colours = None, False, (UNSPECIFIED,) * 3
    if bits.flag():
        number = bits.u(8)
        if number == _EXTENDED_SAR:
            above, below = bits.u(16), bits.u(16)
        else:
            above, below = _ASPECTS[number] if number < len(_ASPECTS) else (0, 1)
        aspect = Fraction(above, below) if above and below and above != below else None
    if bits.flag():
        bits.flag()  # overscan_appropriate_flag
    if bits.flag():
        bits.u(3)  # video_format
        full = bits.flag()
        if bits.flag():
            colours = bits.u(8), bits.u(8), bits.u(8)
    if bits.flag():
        bits.ue(5)
        bits.ue(5)
    return Signal(full, *colours, aspect)


def skip_scaling_list(bits: BitReader, size: int) -> None:
    """Skip one scaling list of `size` numbers (H.264, 7.3.2.1.1.1)."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se(128)) % 256
        last = following or last
