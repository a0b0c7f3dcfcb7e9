"""Audio of a live source: what travels beside the pictures, as the source coded it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.packet import Packet


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How audio is coded. `codec` is FFmpeg's name, `rate` in samples a second, `configured` whether the codec's own
    parameters come with it and not in its packets.

    `description` is a NUT file with an empty packet: FFmpeg has no other form of a stream's parameters that outlives
    the connection that they came from.
    """

    codec: str
    rate: int
    channels: int
    configured: bool
    description: bytes

    def __str__(self) -> str:
        return f"{self.codec}, {self.rate} Hz, {self.channels} channel{'s' if self.channels > 1 else ''}"


@dataclass(frozen=True, slots=True, eq=False)
class LiveAudio:
    """A packet as it was sent. `source_time` and `duration` are in seconds, on the clock of the pictures'
    `source_time`; a `duration` of 0 is unknown. `connection` counts as that of the pictures does.
    """

    data: bytes
    source_time: float
    duration: float
    connection: int
    format: AudioFormat


@dataclass(frozen=True, slots=True, eq=False)
class AudioPacket:
    """A packet on the clock of the published pictures: `pts`, increasing, and `duration` in units of `TIME_BASE`."""

    data: bytes
    pts: int
    duration: int
    connection: int
    format: AudioFormat


def format_of(stream: AudioStream) -> AudioFormat:
    """The format of an open container's stream. Raises FFmpegError or ValueError for what cannot be described."""
    context = stream.codec_context
    if not context.sample_rate or not context.channels:
        raise ValueError("its rate or its channels are unknown")
    nut = io.BytesIO()
    with av.open(nut, "w", format="nut", container_options={"fflags": "+bitexact"}) as container:
        packet = Packet(b"\0")  # the same for every connection, so that formats can be compared
        packet.stream = container.add_stream_from_template(stream)
        packet.pts = packet.dts = 0
        packet.time_base = Fraction(1, 1000)
        container.mux(packet)
    codec = context.codec.canonical_name
    return AudioFormat(codec, context.sample_rate, context.channels, bool(context.extradata), nut.getvalue())


@contextmanager
def described(form: AudioFormat) -> Iterator[AudioStream]:
    """A stream of that format, with a decoder of its own, to be used inside the `with` block."""
    with av.open(io.BytesIO(form.description), format="nut") as container:
        yield container.streams.audio[0]
