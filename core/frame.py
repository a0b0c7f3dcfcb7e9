"""Unmasked frames, and the verdict that says how to cover each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import av

from core.geometry import Box
from core.pictures.orientation import UPRIGHT, Orientation


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded picture as it came from the source. It must never be shown to anyone.

    `index` counts frames from 0 in presentation order. `time` is in seconds on the source's clock; the engine uses no
    other time. `trusted` is False if the decoder made up picture content (damage, a lost reference). `tag` belongs to
    the caller: it comes out on the masked frame unread and unchanged, and so do the picture's pts and time base.
    """

    index: int
    video: av.VideoFrame
    time: float
    orientation: Orientation = UPRIGHT
    trusted: bool = True
    tag: object = None

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height in pixels, as a viewer sees the picture."""
        return self.orientation.upright_size(self.video.width, self.video.height)


class Cover(StrEnum):
    """How a frame was covered."""

    SETTLED = "settled"  # detector verdicts on both sides of the frame: boxes are interpolated
    HELD = "held"  # boxes are carried past the last detection and grow with age
    BLANKET = "blanket"  # the whole frame is masked


class Origin(StrEnum):
    """What a region is based on."""

    SEEN = "seen"  # detected in this frame
    INTERPOLATED = "interpolated"  # detected before and after this frame
    CARRIED = "carried"  # detected before this frame, not since
    BACK_FILLED = "back-filled"  # detected after this frame, not before


@dataclass(frozen=True, slots=True)
class Region:
    """One thing to hide: the box to paint, in pixels of the upright frame, margin included.

    `track` numbers tracks from 0; -1 means no track. `score` (0 to 1) is that of the detection behind the region, the
    lower one if there are two, or None without a detection.
    """

    box: Box
    track: int = -1
    label: str = "face"
    score: float | None = None
    origin: Origin = Origin.SEEN


@dataclass(frozen=True, slots=True)
class Verdict:
    """How to cover one frame; `mask_age` is the time in seconds since the newest detector verdict."""

    cover: Cover
    regions: tuple[Region, ...] = ()
    mask_age: float = 0.0


BLANKET = Verdict(Cover.BLANKET, (), float("inf"))
