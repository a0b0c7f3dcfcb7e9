"""Converts camera pictures to the one format that is published: upright, even size, 8-bit 4:2:0, limited range."""

from __future__ import annotations

import av
import numpy as np

from core.pictures.orientation import UPRIGHT, Orientation
from core.pictures.planes import is_full_range, planes

PIXELS = "yuv420p"


def published_size(width: int, height: int, orientation: Orientation = UPRIGHT) -> tuple[int, int]:
    """The published size (width, height) for pictures of this coded size: upright, and even as 4:2:0 requires."""
    wide, high = orientation.upright_size(width, height)
    return max(2, wide - wide % 2), max(2, high - high % 2)


def to_published(video: av.VideoFrame, size: tuple[int, int], orientation: Orientation = UPRIGHT) -> av.VideoFrame:
    """The picture in the published format at `size` (width, height); the same object if nothing has to change."""
    coded = orientation.upright_size(*size)
    full = is_full_range(video)
    flipped = video.planes[0].line_size < 0
    if (video.width, video.height) != coded or video.format.name != PIXELS or full or flipped:
        video = video.reformat(
            *coded,
            PIXELS,
            src_color_range="JPEG" if full else None,
            dst_color_range="MPEG",
            dst_colorspace="ITU709" if video.format.is_rgb else None,
            threads=1,
        )
    return video if orientation == UPRIGHT else _upright(video, size, orientation)


def _upright(video: av.VideoFrame, size: tuple[int, int], orientation: Orientation) -> av.VideoFrame:
    turned = av.VideoFrame(*size, PIXELS)
    turned.color_range, turned.colorspace = video.color_range, video.colorspace
    for ours, theirs in zip(planes(turned), planes(video), strict=True):
        ours.array[...] = orientation.upright(np.ascontiguousarray(theirs.array, np.uint8))
    return turned
