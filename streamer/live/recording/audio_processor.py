"""Processes a live stream's audio for a recording: passed through, decoded or disguised."""

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
_OVERLAP: Final = 0.04  # seconds by which decoded audio may be longer than its timestamps say
_PAUSE: Final = 0.02  # seconds; longer pauses are filled with silence


class AudioRefusedError(Exception):
    """The container cannot hold this audio; the text says why and what to do, in one line."""


class AudioProcessor(Protocol):
    """Takes packets of one connection and one format and returns the packets for the file."""

    def process(self, packet: AudioPacket) -> list[AudioPacket]:
        """The packets that are ready after this one. Raises FFmpegError or ValueError for an unusable packet."""
        ...

    def flush(self) -> list[AudioPacket]:
        """The remaining packets. Do not call `process` afterwards."""
        ...


def audio_processor(
    first: AudioPacket, policy: AudioPolicy, container: ContainerName, warnings: WarningLog
) -> AudioProcessor:
    """A processor for audio that begins with `first`. Raises AudioRefusedError if `container` cannot hold it."""
    form = first.format
    if policy == "disguise":
        return VoiceDisguiser(form, warnings)
    if container == "mp4" and form.codec == "aac" and not form.configured:
        raise AudioRefusedError("mp4 cannot hold AAC with ADTS headers as it is; record to mkv, or disguise the audio")
    if form.codec in _holdable(container):
        return PassThrough()
    if container == "mkv" and form.codec in _G711:
        return G711Decoder(form)
    advice = "record to mkv, or disguise the audio" if form.codec in _G711 else "disguise the audio"
    raise AudioRefusedError(f"{container} cannot hold {form.codec} as it is; {advice}")


@cache
def _holdable(container: ContainerName) -> frozenset[str]:
    with av.open(io.BytesIO(), "w", format=FORMATS[container]) as opened:
        return frozenset(opened.supported_codecs)


class PassThrough:
    """Copies every packet unchanged."""

    def process(self, packet: AudioPacket) -> list[AudioPacket]:
        """Return the same packet."""
        return [packet]

    def flush(self) -> list[AudioPacket]:
        """Return an empty list: nothing is held back."""
        return []


class G711Decoder:
    """Decodes G.711 to 16-bit linear PCM, losslessly, because FFmpeg's muxer refuses to copy G.711."""

    def __init__(self, form: AudioFormat) -> None:
        self._open = ExitStack()
        self._decoder = self._open.enter_context(described(form)).codec_context
        with av.open(io.BytesIO(), "w", format="nut") as container:
            linear = container.add_stream("pcm_s16le", rate=form.rate)
            linear.codec_context.layout = (
                self._decoder.layout if form.channels > 2 else ("mono", "stereo")[form.channels - 1]
            )
            self._format = format_of(linear)

    def process(self, packet: AudioPacket) -> list[AudioPacket]:
        """Return the packet's samples as PCM."""
        data = b"".join(
            frame.to_ndarray().astype("<i2").tobytes() for frame in self._decoder.decode(Packet(packet.data))
        )
        return [AudioPacket(data, packet.pts, packet.duration, packet.connection, self._format)]

    def flush(self) -> list[AudioPacket]:
        """Return an empty list: nothing is held back."""
        self._open.close()
        return []


class VoiceDisguiser:
    """Disguises voices with `DisguiseWriter`, as AAC. Starts over where audio and timestamps drift apart."""

    def __init__(self, form: AudioFormat, warnings: WarningLog) -> None:
        self._form, self._warnings = form, warnings
        self._open = ExitStack()
        self._writer = self._new_writer()
        self._format: AudioFormat | None = None
        self._end: float | None = None  # end of the input so far, in seconds, as if there were no gaps

    def process(self, packet: AudioPacket) -> list[AudioPacket]:
        """Return disguised audio; a few tenths of a second are held back."""
        ready: list[AudioPacket] = []
        at = packet.pts / CLOCK
        if self._end is not None and self._end - at > _OVERLAP:
            ready = self.flush()
            self._writer, self._end = self._new_writer(), None
        if self._end is None or at - self._end > _PAUSE:
            self._end = at
        self._end += packet.duration / CLOCK
        given = cast("Packet[AudioStream]", Packet(packet.data))
        given.pts = given.dts = packet.pts
        given.duration = packet.duration
        given.time_base = TIME_BASE
        return ready + self._as_audio(self._writer.write(given), packet.connection)

    def flush(self) -> list[AudioPacket]:
        """Return the audio that was held back."""
        rest = self._as_audio(self._writer.flush(), 0)
        self._open.close()
        return rest

    def _new_writer(self) -> DisguiseWriter:
        stream = self._open.enter_context(described(self._form))
        # Nothing is written to this container: the encoder only needs a stream.
        container = self._open.enter_context(av.open(io.BytesIO(), "w", format="nut"))
        return DisguiseWriter(container, AudioTrack(0, stream, self._form.codec, None), self._warnings)

    def _as_audio(self, packets: list[Packet[AudioStream]], connection: int) -> list[AudioPacket]:
        converted = []
        for packet in packets:
            if self._format is None:
                self._format = format_of(self._writer.stream)
            if packet.pts is not None:
                pts, duration = (
                    round(ticks * packet.time_base / TIME_BASE) for ticks in (packet.pts, packet.duration or 0)
                )
                converted.append(AudioPacket(bytes(packet), pts, duration, connection, self._format))
        return converted
