"""Masked frames: the only pictures that encoders and outputs accept."""

from __future__ import annotations

from typing import Final, final

import av
import numpy as np

from core.frame import Cover, Frame, Region, Verdict
from core.pictures.planes import BgrImage


class MaskerSeal:
    """Proof that the caller is the masker; `core.paint.masker` uses the only instance."""

    __slots__ = ()


SEAL: Final = MaskerSeal()


@final
class MaskedFrame:
    """A frame whose verdict has been painted. Only `core.paint.masker.Masker` creates them.

    Raises TypeError without the masker's seal.
    """

    __slots__ = ("_frame", "_verdict")

    def __init__(self, frame: Frame, verdict: Verdict, seal: MaskerSeal) -> None:
        if seal is not SEAL:
            raise TypeError("only the masker can create a masked frame")
        self._frame, self._verdict = frame, verdict

    @property
    def index(self) -> int:
        """Position in presentation order, from 0."""
        return self._frame.index

    @property
    def video(self) -> av.VideoFrame:
        """The painted picture, with the source's pts, time base and colour tags."""
        return self._frame.video

    def to_bgr(self) -> BgrImage:
        """A copy of the painted picture as BGR, shape (height, width, 3), uint8, not turned upright."""
        return np.asarray(self._frame.video.to_ndarray(format="bgr24"), np.uint8)

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height in pixels, as a viewer sees the picture; regions use these pixels."""
        return self._frame.upright_size

    @property
    def time(self) -> float:
        """Seconds on the source's clock."""
        return self._frame.time

    @property
    def tag(self) -> object:
        """The tag that the caller put on the frame."""
        return self._frame.tag

    @property
    def cover(self) -> Cover:
        """How the frame was covered."""
        return self._verdict.cover

    @property
    def regions(self) -> tuple[Region, ...]:
        """Regions painted for detections, in pixels of the upright frame; none on a blanket frame, and no zones."""
        return self._verdict.regions

    @property
    def faces(self) -> int:
        """Number of regions painted for detections; zones do not count."""
        return len(self._verdict.regions)

    @property
    def mask_age(self) -> float:
        """Seconds from the newest detector verdict to this frame; infinite if there is none."""
        return self._verdict.mask_age
