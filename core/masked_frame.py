"""The only kind of picture that an encoder or a sink accepts."""

from __future__ import annotations

from typing import Final, final

import av

from core.frame import Cover, Frame, Region, Verdict


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
        """What was painted for detections, in pixels of the upright frame; zones are not among them.

        Where the cover is blanket, these are what would have been painted otherwise.
        """
        return self._verdict.regions

    @property
    def faces(self) -> int:
        """How many regions were painted for detections (zones are not counted)."""
        return len(self._verdict.regions)

    @property
    def mask_age(self) -> float:
        """Seconds from the newest detector verdict to this frame; infinite when there is none."""
        return self._verdict.mask_age
