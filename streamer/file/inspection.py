"""Warnings about what a copy cannot reproduce or has to guess, from the file header and the first picture."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.container.input import InputContainer
from av.video.stream import VideoStream

from streamer.media.input import is_still
from streamer.warning_log import WarningLog

_RAW = frozenset({"h264", "hevc", "vvc", "m4v", "mpegvideo", "mjpeg", "jpeg_pipe", "obu", "av1", "vc1", "h261", "h263"})
_SLOWEST = Fraction(1, 86_400)  # frames per second; a header with a lower rate is wrong
_ALPHA_WIDTH = 320  # pixels; width at which a picture is checked for transparency


def warn_about_container(container: InputContainer, video: VideoStream, warnings: WarningLog) -> None:
    """Warn about further video tracks, which are dropped, and about raw streams without a frame rate."""
    others = [s for s in container.streams if isinstance(s, VideoStream) and not is_still(s) and s.index != video.index]
    if others:
        warnings.add("tracks", f"the file has {len(others) + 1} video tracks: only #{video.index} is copied")
    if container.format.name in _RAW and not video.codec_context.framerate and not video.duration:
        warnings.add("unknown rate", "the file does not state its frame rate; 25 fps is assumed")


def warn_about_alpha(video: av.VideoFrame, warnings: WarningLog) -> None:
    """Warn if the picture has transparent areas: the copy is opaque and shows what they hid."""
    if not any(component.is_alpha for component in video.format.components):
        return
    width = min(_ALPHA_WIDTH, video.width)
    small = video.reformat(width, max(1, video.height * width // video.width), "rgba", threads=1)
    if small.to_ndarray()[..., 3].min() < np.uint8(255):
        warnings.add("alpha", "pictures have transparent areas; the copy is opaque and shows what was hidden there")


def frame_rate(video: VideoStream) -> Fraction:
    """Frames per second according to the header; 25 if that is missing or implausible."""
    for rate in (video.average_rate, video.guessed_rate):
        if rate and _SLOWEST <= rate <= 1000:
            return rate.limit_denominator(100_000)
    return Fraction(25)
