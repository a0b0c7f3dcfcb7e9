"""Fits a job into its memory limit: how many pictures are in flight, and how to make the encoder hold fewer.

Everything is counted in picture sizes. How many pictures the encoders hold was measured (at 7680x4320 and 3840x2160).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import av

MEGABYTE: Final = 1_000_000
DECODER_BYTES: Final = 64 * MEGABYTE
"""Limit for the pictures that the decoder threads work on at the same time."""

_BASE: Final = 250 * MEGABYTE  # the program, its libraries and the detector
_TIMELINE: Final = 128 * MEGABYTE, 3  # frames waiting for masks: this many bytes, but at least this many pictures
_UNDER_WAY: Final = 16  # pictures referenced by the decoder, queued, being painted or handed over
_LOOK_AHEAD: Final = {  # look-ahead of libx264 in frames, by preset; that of libx265 is not longer
    **{"ultrafast": 0, "superfast": 0, "veryfast": 10, "faster": 20, "fast": 30},
    **{"medium": 40, "slow": 50, "slower": 60, "veryslow": 60},
}
_SHORT: Final = 3  # frames of look-ahead when memory is short


X264_SIDE: Final = 16_384
"""Pixels: libx264 encodes no picture that is wider or taller."""


class TooLargeError(ValueError):
    """The pictures do not fit into memory, or the encoder cannot take them, with any settings; the message says why."""


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """Limits for an encoder: `threads` (0: the encoder's default) and `look_ahead` in frames.

    `look_ahead` None keeps the preset's value; 1 is the minimum, which also means no B-frames and one reference.
    """

    threads: int
    look_ahead: int | None = None

    @property
    def least(self) -> bool:
        """Whether everything that makes the encoder hold pictures is switched off."""
        return self.look_ahead == 1


def picture_bytes(width: int, height: int, pixel_format: str) -> int:
    """Size of a picture in bytes, without padding."""
    return width * height * av.VideoFormat(pixel_format).padded_bits_per_pixel // 8


def decoder_threads(picture: int, most: int) -> int:
    """Number of decoder threads for pictures of this many bytes, at most `most`: each thread holds one picture."""
    return max(1, min(most, DECODER_BYTES // max(1, picture)))


def encoder_plan(codec: str, preset: str, threads: int, picture: int, budget: int) -> EncoderPlan:
    """The best settings for `codec` if the whole job may use `budget` bytes and a picture takes `picture` bytes.

    `threads` is the requested number, 0 for the encoder's default. Raises TooLargeError if nothing fits.
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
        f"masking pictures of {picture // MEGABYTE} MB each needs {needed // MEGABYTE} MB, "
        f"more than the {budget // MEGABYTE} MB of file.memory_mb"
    )


def _held(codec: str, look_ahead: int, threads: int, *, least: bool) -> int:
    """Number of pictures an encoder holds, including its internal copies."""
    if codec == "h264":
        return 12 + 3 * threads if least else 20 + 2 * look_ahead + 4 * threads
    return 24 + 3 * threads if least else 24 + look_ahead + 3 * threads
