"""What a live stream is doing, for the page, the metrics and the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from streamer.live.faults import Fault

StreamState = Literal["starting", "settled", "held", "blanket", "offline"]
"""How the newest frame was covered; `offline`: no pictures come from the source and a slate is shown."""


@dataclass(frozen=True, slots=True)
class Audience:
    """What the sinks of one stream say: packets lost by sink, how many watch, and what is wrong, one line each.

    `unrecorded` says why a recording that was asked for is not being made.
    """

    drops: dict[str, int] = field(default_factory=dict)
    viewers: int = 0
    troubles: tuple[str, ...] = ()
    unrecorded: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One stream at one moment. Counters count since the start; nothing in it holds a credential.

    `delay` is how long frames stayed in the engine and encoder lately, in seconds, as (median, 95th percentile).
    `mask_age` is that of the newest frame, in seconds; infinite when it rests on no verdict.
    """

    name: str
    state: StreamState = "starting"
    source: str = ""
    """The source's address without credentials."""
    offline_since: float | None = None
    """When the source went away, in seconds of `time.time()`."""
    width: int = 0
    height: int = 0
    fps_in: float = 0.0
    fps_out: float = 0.0
    faces: int = 0
    """Faces masked on the newest frame."""
    mask_age: float = float("inf")
    delay: tuple[float, float] = (0.0, 0.0)
    frames: dict[str, int] = field(default_factory=dict)
    """Frames published by cover: settled, held, blanket, and slate."""
    frames_in: int = 0
    frames_late: int = 0
    """Published more than 40 ms after their deadline."""
    frames_skipped: int = 0
    """Never looked at because the machine did not keep up."""
    samples: int = 0
    samples_failed: int = 0
    samples_skipped: int = 0
    reconnects: int = 0
    encoder_errors: int = 0
    queue_depths: dict[str, int] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    """Packets lost by sink because it lagged."""
    viewers: int = 0
    errors: tuple[str, ...] = ()
    """What is wrong at present, one line each."""
    faults: tuple[Fault, ...] = ()
    """Those of the errors that happen now and then: since when, when last, how often. Gone a minute after the last."""
    unrecorded: str | None = None
    """Why a recording that was asked for is not being made; None where all is well."""
