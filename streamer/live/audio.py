"""Audio of a live source, as encoded by the source."""

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
    """How audio is encoded. `codec` is FFmpeg's name, `rate` is in samples per second, `configured` says whether the
    codec parameters come out of band (extradata) rather than in the packets.

    `description` is a NUT file with an empty packet: in FFmpeg, nothing else keeps a stream's parameters beyond the
    connection they came from.
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
    """An audio packet as it was sent. `source_time` and `duration` are in seconds, on the same clock as the pictures'
    `source_time`; a `duration` of 0 is unknown. `connection` is the number of the connection, as for pictures.
    """

    data: bytes
    source_time: float
    duration: float
    connection: int
    format: AudioFormat


@dataclass(frozen=True, slots=True, eq=False)
class AudioPacket:
    """An audio packet on the published clock: increasing `pts` and `duration`, in units of `TIME_BASE`."""

    data: bytes
    pts: int
    duration: int
    connection: int
    format: AudioFormat


def format_of(stream: AudioStream) -> AudioFormat:
    """The format of a stream in an open container. Raises FFmpegError or ValueError if it is incomplete."""
    context = stream.codec_context
    if not context.sample_rate or not context.channels:
        raise ValueError("its sample rate or channel count is unknown")
    nut = io.BytesIO()
    with av.open(nut, "w", format="nut", container_options={"fflags": "+bitexact"}) as container:
        packet = Packet(b"\0")  # always the same, so that formats can be compared
        packet.stream = container.add_stream_from_template(stream)
        packet.pts = packet.dts = 0
        packet.time_base = Fraction(1, 1000)
        container.mux(packet)
    codec = context.codec.canonical_name
    return AudioFormat(codec, context.sample_rate, context.channels, bool(context.extradata), nut.getvalue())


@contextmanager
def described(form: AudioFormat) -> Iterator[AudioStream]:
    """A stream of that format with its own decoder, valid inside the block."""
    with av.open(io.BytesIO(form.description), format="nut") as container:
        yield container.streams.audio[0]
