"""The slate that is shown while the source is offline."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import av
import cv2

from core.frame import Cover, Frame, Verdict
from core.masked_frame import MaskedFrame
from core.paint.masker import Masker
from core.pictures.planes import planes
from streamer.media.convert import PIXELS

_GREY: Final = 40
_WHITE: Final = 210
_COLORLESS: Final = 128


def slate(masker: Masker, width: int, height: int, since: float | None) -> MaskedFrame:
    """A grey picture that says that there is no picture, and since when (`since`, in seconds of `time.time()`).

    It contains no camera data, so it needs no mask, but it goes through the masker like every picture.
    """
    video = av.VideoFrame(width, height, PIXELS)
    luma, *chroma = planes(video)
    luma.array[...] = _GREY
    for plane in chroma:
        plane.array[...] = _COLORLESS
    lines = ["no picture from the camera"]
    if since is not None:
        lines.append(datetime.fromtimestamp(since, UTC).strftime("since %Y-%m-%d %H:%M:%S UTC"))
    for number, line in enumerate(lines):
        scale = width / (28 * 20)  # a letter is about 20 px wide at scale 1
        (wide, high), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        at = (width - wide) // 2, height // 2 + round((2 * number - 0.5) * high)
        cv2.putText(luma.array, line, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (_WHITE,), max(1, width // 640), cv2.LINE_AA)
    return masker.mask(Frame(0, video, 0.0), Verdict(Cover.SETTLED))
