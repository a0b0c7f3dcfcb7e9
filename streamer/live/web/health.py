"""Whether every stream is publishing, and recorded if recording is on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamer.live.stream_output import StreamOutput

SILENCE = 2.0  # seconds without a packet after which a stream counts as not publishing


@dataclass(frozen=True, slots=True)
class Readiness:
    """`silent` lists the streams that are not publishing, `unrecorded` those that should be recorded but are not."""

    silent: tuple[str, ...]
    unrecorded: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether all streams are fine."""
        return not self.silent and not self.unrecorded


def readiness(streams: Mapping[str, StreamOutput], now: float) -> Readiness:
    """The readiness at `now`, in seconds of `time.monotonic()`."""
    return Readiness(
        tuple(name for name, output in streams.items() if now - output.last_published > SILENCE),
        tuple(name for name, output in streams.items() if output.snapshot().unrecorded is not None),
    )
