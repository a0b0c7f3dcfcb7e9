"""The status of a live stream, for the page, the metrics and the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from streamer.live.faults import Fault

StreamState = Literal["starting", "settled", "held", "blanket", "offline"]
"""How the newest frame was covered; `offline`: the source sends no pictures and a slate is shown."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Status of one stream's sinks: packets lost by sink, number of viewers, and problems, one line each.

    `unrecorded` says why a configured recording is not being made.
    """

    drops: dict[str, int] = field(default_factory=dict)
    viewers: int = 0
    troubles: tuple[str, ...] = ()
    unrecorded: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One stream at one moment. Counters count from the start; no field contains a credential.

    `delay` is the time recent frames spent in the engine and encoder, in seconds, as (median, 95th percentile).
    `mask_age` is the newest frame's, in seconds; infinite if it has no detector verdict.
    """

    name: str
    state: StreamState = "starting"
    source: str = ""
    """The source's address without credentials."""
    offline_since: float | None = None
    """Since when the source has been offline, in seconds of `time.time()`."""
    width: int = 0
    height: int = 0
    fps_in: float = 0.0
    fps_out: float = 0.0
    faces: int = 0
    """Faces masked in the newest frame."""
    mask_age: float = float("inf")
    delay: tuple[float, float] = (0.0, 0.0)
    frames: dict[str, int] = field(default_factory=dict)
    """Frames published by cover: settled, held, blanket, and slate."""
    frames_in: int = 0
    frames_late: int = 0
    """Published more than 40 ms after their deadline."""
    frames_skipped: int = 0
    """Frames from the source that were skipped because the machine did not keep up."""
    samples: int = 0
    samples_failed: int = 0
    samples_skipped: int = 0
    reconnects: int = 0
    encoder_errors: int = 0
    queue_depths: dict[str, int] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    """Packets lost by each sink because it lagged."""
    viewers: int = 0
    errors: tuple[str, ...] = ()
    """Current problems, one line each."""
    faults: tuple[Fault, ...] = ()
    """The recurring ones among the errors: first, last, count. Each is gone a minute after its last occurrence."""
    unrecorded: str | None = None
    """Why a configured recording is not being made; None if all is well."""
