"""What becomes of a live stream's sound on its way into a file."""

from __future__ import annotations

import io
from contextlib import ExitStack
from functools import cache
from typing import Final, Protocol, cast

import av
from av.audio.stream import AudioStream
from av.packet import Packet

from streamer.live.audio import AudioFormat, AudioPacket, described, format_of
from streamer.live.packet import CLOCK, TIME_BASE
from streamer.live.recording.segment import FORMATS
from streamer.media.audio_track import AudioTrack
from streamer.media.disguise import DisguiseWriter
from streamer.settings.audio import AudioPolicy
from streamer.settings.recording import ContainerName
from streamer.warning_log import WarningLog

_G711: Final = frozenset({"pcm_alaw", "pcm_mulaw"})
_OVERLAP: Final = 0.04  # seconds by which decoded sound may be longer than its time stamps say
_PAUSE: Final = 0.02  # seconds: a longer pause is filled with silence


class AudioRefusedError(Exception):
    """The file cannot hold this sound; one line that says why and what can be done."""


class Treatment(Protocol):
    """Takes packets of one connection and one format, gives those for the file."""

    def take(self, packet: AudioPacket) -> list[AudioPacket]:
        """Packets that are ready after this one. Raises FFmpegError or ValueError for one that cannot be used."""
        ...

    def flush(self) -> list[AudioPacket]:
        """What is still held; nothing is taken after this."""
        ...


def treatment(first: AudioPacket, policy: AudioPolicy, container: ContainerName, warnings: WarningLog) -> Treatment:
    """How sound that begins with this packet is treated. Raises AudioRefusedError."""
    form = first.format
    if policy == "disguise":
        return Disguised(form, warnings)
    if container == "mp4" and form.codec == "aac" and not form.configured:
        raise AudioRefusedError("mp4 cannot hold AAC with ADTS headers as it is; record to mkv, or disguise the sound")
    if form.codec in _holdable(container):
        return Kept()
    if container == "mkv" and form.codec in _G711:
        return Expanded(form)
    advice = "record to mkv, or disguise the sound" if form.codec in _G711 else "disguise the sound"
    raise AudioRefusedError(f"{container} cannot hold {form.codec} as it is; {advice}")


@cache
def _holdable(container: ContainerName) -> frozenset[str]:
    with av.open(io.BytesIO(), "w", format=FORMATS[container]) as opened:
        return frozenset(opened.supported_codecs)


class Kept:
    """Every packet as it is."""

    def take(self, packet: AudioPacket) -> list[AudioPacket]:
        """The same packet."""
        return [packet]

    def flush(self) -> list[AudioPacket]:
        """Nothing."""
        return []


class Expanded:
    """G.711 as linear PCM of 16 bits, every value as G.711 defines it: FFmpeg's muxers refuse it as it is."""

    def __init__(self, form: AudioFormat) -> None:
        self._open = ExitStack()
        self._decoder = self._open.enter_context(described(form)).codec_context
        with av.open(io.BytesIO(), "w", format="nut") as container:
            linear = container.add_stream("pcm_s16le", rate=form.rate)
            linear.codec_context.layout = (
                self._decoder.layout if form.channels > 2 else ("mono", "stereo")[form.channels - 1]
            )
            self._format = format_of(linear)

    def take(self, packet: AudioPacket) -> list[AudioPacket]:
        """The packet's samples."""
        data = b"".join(
            frame.to_ndarray().astype("<i2").tobytes() for frame in self._decoder.decode(Packet(packet.data))
        )
        return [AudioPacket(data, packet.pts, packet.duration, packet.connection, self._format)]

    def flush(self) -> list[AudioPacket]:
        """Nothing."""
        self._open.close()
        return []


class Disguised:
    """Voices changed as `DisguiseWriter` does, in AAC. Begins anew where sound and time stamps drift apart."""

    def __init__(self, form: AudioFormat, warnings: WarningLog) -> None:
        self._form, self._warnings = form, warnings
        self._open = ExitStack()
        self._writer = self._begun()
        self._format: AudioFormat | None = None
        self._end: float | None = None  # of what was given, in seconds, as if its samples had followed one another

    def take(self, packet: AudioPacket) -> list[AudioPacket]:
        """Disguised sound; some tenths of a second of it stay inside."""
        ready: list[AudioPacket] = []
        at = packet.pts / CLOCK
        if self._end is not None and self._end - at > _OVERLAP:
            ready = self.flush()
            self._writer, self._end = self._begun(), None
        if self._end is None or at - self._end > _PAUSE:
            self._end = at
        self._end += packet.duration / CLOCK
        given = cast("Packet[AudioStream]", Packet(packet.data))
        given.pts = given.dts = packet.pts
        given.duration = packet.duration
        given.time_base = TIME_BASE
        return ready + self._named(self._writer.write(given), packet.connection)

    def flush(self) -> list[AudioPacket]:
        """The rest."""
        rest = self._named(self._writer.flush(), 0)
        self._open.close()
        return rest

    def _begun(self) -> DisguiseWriter:
        stream = self._open.enter_context(described(self._form))
        # Nothing is ever written to it: it lends the encoder its stream.
        container = self._open.enter_context(av.open(io.BytesIO(), "w", format="nut"))
        return DisguiseWriter(container, AudioTrack(0, stream, self._form.codec, None), self._warnings)

    def _named(self, packets: list[Packet[AudioStream]], connection: int) -> list[AudioPacket]:
        named = []
        for packet in packets:
            if self._format is None:
                self._format = format_of(self._writer.stream)
            if packet.pts is not None:
                pts, duration = (
                    round(ticks * packet.time_base / TIME_BASE) for ticks in (packet.pts, packet.duration or 0)
                )
                named.append(AudioPacket(bytes(packet), pts, duration, connection, self._format))
        return named
