"""What fits into the memory that a job may take: how many pictures wait, and how the encoder is told to hold fewer.

All of it is counted in bytes of the pictures. What an encoder holds was measured (7680x4320 and 3840x2160).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import av

MEGABYTE: Final = 1_000_000
DECODER_BYTES: Final = 64 * MEGABYTE
"""Pictures that the threads of a decoder may work on at a time."""

_BASE: Final = 250 * MEGABYTE  # the program, its libraries and the detector
_TIMELINE: Final = 128 * MEGABYTE, 3  # what waits for masks: as many bytes, as few pictures
_UNDER_WAY: Final = 16  # pictures that the decoder refers to, that wait, are painted and handed on
_LOOK_AHEAD: Final = {  # frames that libx264 looks ahead, by preset; libx265 looks no further
    **{"ultrafast": 0, "superfast": 0, "veryfast": 10, "faster": 20, "fast": 30},
    **{"medium": 40, "slow": 50, "slower": 60, "veryslow": 60},
}
_SHORT: Final = 3  # frames of look-ahead where memory is short


X264_SIDE: Final = 16_384
"""Pixels: libx264 encodes no picture that is wider or taller."""


class TooLargeError(ValueError):
    """Pictures that no setting of the encoder gets into the memory, or that it cannot encode; says what is needed."""


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """How an encoder is held to its share: `threads` (0: as many as it likes) and frames of look-ahead.

    `look_ahead` None leaves the preset's choice; 1 is the least, without B-frames and with one reference.
    """

    threads: int
    look_ahead: int | None = None

    @property
    def least(self) -> bool:
        """Whether the encoder does without everything that holds pictures back."""
        return self.look_ahead == 1


def picture_bytes(width: int, height: int, pixel_format: str) -> int:
    """Bytes of a picture, padding left out."""
    return width * height * av.VideoFormat(pixel_format).padded_bits_per_pixel // 8


def decoder_threads(picture: int, most: int) -> int:
    """How many threads a decoder may have for pictures of this many bytes: each works on one of its own."""
    return max(1, min(most, DECODER_BYTES // max(1, picture)))


def encoder_plan(codec: str, preset: str, threads: int, picture: int, budget: int) -> EncoderPlan:
    """The best that `codec` can do when the whole job may take `budget` bytes, and a picture takes `picture`.

    `threads` is what was asked for, 0 for the encoder's own choice. Raises TooLargeError.
    """
    cpus = len(os.sched_getaffinity(0))
    wanted = threads or (cpus * 3 // 2 if codec == "h264" else min(cpus, 6))
    used = _BASE + max(_TIMELINE[0], _TIMELINE[1] * picture) + _UNDER_WAY * picture
    room = max(0, budget - used) // max(1, picture)  # in pictures
    full = _LOOK_AHEAD[preset]
    for ahead in (None, min(full, _SHORT), 1):
        for count in range(wanted, 0, -1):
            if _held(codec, full if ahead is None else ahead, count, least=ahead == 1) <= room:
                return EncoderPlan(threads if count == wanted else count, ahead)
    needed = used + _held(codec, 1, 1, least=True) * picture
    raise TooLargeError(
        f"{needed // MEGABYTE} MB would be needed for its pictures of {picture // MEGABYTE} MB each, "
        f"more than the {budget // MEGABYTE} MB of file.memory_mb"
    )


def _held(codec: str, look_ahead: int, threads: int, *, least: bool) -> int:
    """Pictures that an encoder holds, in all the forms that it makes of them."""
    if codec == "h264":
        return 12 + 3 * threads if least else 20 + 2 * look_ahead + 4 * threads
    return 24 + 3 * threads if least else 24 + look_ahead + 3 * threads
