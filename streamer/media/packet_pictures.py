"""How many pictures a packet should yield, for codecs in which that is not always one. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_VOP: Final = re.compile(rb"\x00\x00\x01\xb6")  # start of a picture (ISO/IEC 14496-2, 6.2.5)
_PLACEHOLDER: Final = 32  # bytes: a packet this small may say "nothing new", or stand for a picture sent ahead of time


def _mpeg4(data: bytes) -> int:
    """With packed B-frames, one packet holds two pictures and the next is a placeholder."""
    return 0 if len(data) <= _PLACEHOLDER else max(1, len(_VOP.findall(data)))


def _vp8(data: bytes) -> int:
    """The show_frame bit (RFC 6386, 9.1): alternate references are never shown."""
    return data[0] >> 4 & 1 if data else 0


def _unknown(_data: bytes) -> int:
    return 0


_COUNT: Final[dict[str, Callable[[bytes], int]]] = {
    "mpeg4": _mpeg4,
    "vp8": _vp8,
    "flv1": _unknown,
    "msmpeg4v3": _unknown,
}


def pictures_in(codec: str, data: bytes) -> int:
    """How many pictures this packet should yield at least; `codec` is FFmpeg's canonical name."""
    count = _COUNT.get(codec)
    return 1 if count is None else count(data)
