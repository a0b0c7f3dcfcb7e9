"""What FFmpeg reports only in its log: missing RTP packets, and pictures whose reference pictures are missing.

When RTP packets are missing, FFmpeg flags neither the packet nor the frame. The decoder conceals holes inside a picture
and flags those, but not pictures that depend on one that was lost completely.

PyAV takes the GIL to pass on a log line. A thread that frees a codec holds the GIL while it waits for the codec's
threads: if one of those logs at that moment, both deadlock. So codecs with their own threads must be `MUTED`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

import av.logging
from av.logging import Capture

MUTED: Final = "100"  # "log_level_offset" of a codec whose threads must not log
_LOST_PACKETS: Final = ("RTP: missed",)
_LOST_REFERENCES: Final = (
    "Frame num gap",
    "reference picture",
    "unref short failure",
    "number of reference frames",
    "Could not find ref with POC",
    "non-existing PPS",
    "non-existing SPS",
    "PPS id out of range",
)


def listen() -> None:
    """Have PyAV pass FFmpeg's log to `Capture` blocks; lines logged outside of one are discarded."""
    logger = logging.getLogger("libav")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = False
    # Otherwise a repeated line is dropped, and with it the second of two losses.
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.WARNING)


def capture() -> Capture:
    """A context manager that collects what FFmpeg logs in this thread, as (level, context, text)."""
    return Capture(local=True)


def reports_loss(lines: Iterable[tuple[int, str, str]]) -> bool:
    """Whether any line reports missing packets or missing reference pictures."""
    return any(sign in text for _, _, text in lines for sign in (*_LOST_PACKETS, *_LOST_REFERENCES))
