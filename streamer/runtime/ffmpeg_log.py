"""What FFmpeg says only in its log: RTP packets that never came, and pictures that refer to lost ones.

Neither a packet nor a frame is marked when RTP packets are missing. The decoder conceals holes inside a picture and
marks those, but not the pictures that go on from one that was lost whole.

PyAV takes the GIL to hand a line over. Whoever frees a codec holds the GIL and waits for the codec's threads: had one
of them something to say just then, both would wait for ever. So codecs with threads of their own are `MUTED`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

import av.logging
from av.logging import Capture

MUTED: Final = "100"  # the "log_level_offset" of a codec whose threads may not speak
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
    """Have PyAV hand FFmpeg's log to `Capture` blocks; whatever is said outside of one goes nowhere."""
    logger = logging.getLogger("libav")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = False
    # A line like the one before would be swallowed, and with it the second of two losses.
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.WARNING)


def capture() -> Capture:
    """A `with` block that collects what FFmpeg says in this thread: (level, context, text)."""
    return Capture(local=True)


def tells_of_loss(lines: Iterable[tuple[int, str, str]]) -> bool:
    """Whether any line says that packets, or pictures that others refer to, are missing."""
    return any(sign in text for _, _, text in lines for sign in (*_LOST_PACKETS, *_LOST_REFERENCES))
