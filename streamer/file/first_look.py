"""What the header of a file says, and what a copy cannot show of it or has to guess: one line of warning each."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.container.input import InputContainer
from av.video.stream import VideoStream

from streamer.media.input import is_still
from streamer.warning_log import WarningLog

_RAW = frozenset({"h264", "hevc", "vvc", "m4v", "mpegvideo", "mjpeg", "jpeg_pipe", "obu", "av1", "vc1", "h261", "h263"})
_SLOWEST = Fraction(1, 86_400)  # pictures a second: a slower header is a mistake
_LOOKED_AT = 320  # pixels of width in which transparency is looked for


def warn_of_container(container: InputContainer, video: VideoStream, warnings: WarningLog) -> None:
    """Say that further video tracks are left out, and that a bare stream does not tell its rate."""
    others = [s for s in container.streams if isinstance(s, VideoStream) and not is_still(s) and s.index != video.index]
    if others:
        warnings.add("tracks", f"there are {len(others) + 1} video tracks: only #{video.index} is in the copy")
    if container.format.name in _RAW and not video.codec_context.framerate and not video.duration:
        warnings.add("unknown rate", "the file does not say how fast its pictures follow: 25 a second are assumed")


def warn_of_alpha(video: av.VideoFrame, warnings: WarningLog) -> None:
    """Say that a picture's transparency is lost, where there is any: what it hid shows in the copy."""
    if not any(component.is_alpha for component in video.format.components):
        return
    width = min(_LOOKED_AT, video.width)
    small = video.reformat(width, max(1, video.height * width // video.width), "rgba", threads=1)
    if small.to_ndarray()[..., 3].min() < np.uint8(255):
        warnings.add("alpha", "pictures are transparent in places, the copy is not: what was hidden there shows")


def frame_rate(video: VideoStream) -> Fraction:
    """Frames per second, from what the header says; never absurd."""
    for rate in (video.average_rate, video.guessed_rate):
        if rate and _SLOWEST <= rate <= 1000:
            return rate.limit_denominator(100_000)
    return Fraction(25)
