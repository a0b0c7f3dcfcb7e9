"""The only kind of picture that an encoder or a sink accepts."""

from __future__ import annotations

from typing import Final, final

import av
import numpy as np

from core.frame import Cover, Frame, Region, Verdict
from core.pictures.planes import BgrImage


class MaskerSeal:
    """Proof of being the masker; `core.paint.masker` holds the one instance there is."""

    __slots__ = ()


SEAL: Final = MaskerSeal()


@final
class MaskedFrame:
    """A frame whose verdict has been painted. Made by `core.paint.masker.Masker` and by nothing else.

    Raises TypeError without the masker's seal.
    """

    __slots__ = ("_frame", "_verdict")

    def __init__(self, frame: Frame, verdict: Verdict, seal: MaskerSeal) -> None:
        if seal is not SEAL:
            raise TypeError("only the masker can make a masked frame")
        self._frame, self._verdict = frame, verdict

    @property
    def index(self) -> int:
        """Position in presentation order, counted from 0."""
        return self._frame.index

    @property
    def video(self) -> av.VideoFrame:
        """The painted picture, with the source's pts, time base and colour tags."""
        return self._frame.video

    def to_bgr(self) -> BgrImage:
        """A copy of the painted picture: (height, width, 3), uint8, blue-green-red, not turned upright."""
        return np.asarray(self._frame.video.to_ndarray(format="bgr24"), np.uint8)

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height in pixels of the picture as a viewer sees it; regions are in these pixels."""
        return self._frame.upright_size

    @property
    def time(self) -> float:
        """Seconds on the source's clock."""
        return self._frame.time

    @property
    def tag(self) -> object:
        """What the caller put on the frame."""
        return self._frame.tag

    @property
    def cover(self) -> Cover:
        """How it was covered."""
        return self._verdict.cover

    @property
    def regions(self) -> tuple[Region, ...]:
        """What was painted for detections, in pixels of the upright frame; empty on a blanket frame. No zones."""
        return self._verdict.regions

    @property
    def faces(self) -> int:
        """How many regions were painted for detections (zones are not counted)."""
        return len(self._verdict.regions)

    @property
    def mask_age(self) -> float:
        """Seconds from the newest detector verdict to this frame; infinite when there is none."""
        return self._verdict.mask_age
