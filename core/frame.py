"""Frames before they are masked, and the verdict that says how each is to be covered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import av

from core.geometry import Box
from core.pictures.orientation import UPRIGHT, Orientation


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded picture as the source gave it: never to be shown to anyone.

    `index` counts frames in presentation order from 0. `time` is the only time that counts: seconds on the source's
    clock. `trusted` is False where the decoder had to make up picture content (damage, a lost reference). `tag` is the
    caller's own: it comes out on the masked frame, never looked at and never changed, and so do the picture's pts and
    time base.
    """

    index: int
    video: av.VideoFrame
    time: float
    orientation: Orientation = UPRIGHT
    trusted: bool = True
    tag: object = None

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height in pixels of the picture as a viewer sees it."""
        return self.orientation.upright_size(self.video.width, self.video.height)


class Cover(StrEnum):
    """How a frame was covered."""

    SETTLED = "settled"  # detections on both sides of it: boxes interpolated
    HELD = "held"  # boxes carried past the last detection, growing with age
    BLANKET = "blanket"  # the whole frame


class Origin(StrEnum):
    """Where a region comes from."""

    SEEN = "seen"  # the detector found it in this very frame
    INTERPOLATED = "interpolated"  # found before and after
    CARRIED = "carried"  # found before, not since
    BACK_FILLED = "back-filled"  # found after, not before


@dataclass(frozen=True, slots=True)
class Region:
    """One thing to hide: the box to paint, in pixels of the upright frame, already grown.

    `track` counts tracks from 0; -1 is none. `score` (0 to 1) is that of the detection it rests on, the lower one where
    there are two; None where there was none.
    """

    box: Box
    track: int = -1
    label: str = "face"
    score: float | None = None
    origin: Origin = Origin.SEEN


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one frame is to be covered; `mask_age` is the time in seconds to the newest detector verdict."""

    cover: Cover
    regions: tuple[Region, ...] = ()
    mask_age: float = 0.0


BLANKET = Verdict(Cover.BLANKET, (), float("inf"))
