"""Disguises voices: pitch and formants are shifted together; tempo and sync are unchanged.

It keeps listeners from recognizing a voice. It does not stop someone who deliberately reverses the shift.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as EndOfStream
from av.error import FFmpegError
from av.filter.graph import Graph
from av.packet import Packet

from streamer.media.audio_track import AudioTrack
from streamer.warning_log import WarningLog

PITCH = 0.75
"""Factor applied to every frequency: five semitones down."""

AudioSamples = npt.NDArray[np.float32]
"""Shape (channels, samples), -1 to 1."""

_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
_GAP_SECONDS = 0.02  # shorter gaps are timestamp rounding
_LOUDEST = 4.0  # times full scale
_LONGEST_GAP_SECONDS = 3600  # longer gaps are broken timestamps


class VoiceShifter:
    """Shifts the pitch of a stream of samples. Once flushed, it has returned as many samples as it was given."""

    def __init__(self, rate: int, layout: str, factor: float = PITCH) -> None:
        self._rate, self._layout = rate, layout
        self._given = self._taken = 0
        self._graph = Graph()
        source = self._graph.add_abuffer(sample_rate=rate, format="fltp", layout=layout, time_base=Fraction(1, rate))
        self._graph.link_nodes(
            source,
            self._graph.add("asetrate", str(round(rate * factor))),
            self._graph.add("aresample", str(rate)),
            self._graph.add("atempo", f"{1 / factor:.9f}"),
            self._graph.add("aformat", f"sample_fmts=fltp:channel_layouts={layout}"),
            self._graph.add("abuffersink"),
        ).configure()

    def push(self, samples: AudioSamples) -> Iterator[AudioSamples]:
        """Shifted samples that are ready."""
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._given, Fraction(1, self._rate)
        self._given += samples.shape[1]
        self._graph.push(frame)
        yield from self._pull()

    def flush(self) -> Iterator[AudioSamples]:
        """The remaining samples, cut or padded with silence to the length of the input."""
        if not self._given:
            return
        self._graph.push(None)
        yield from self._pull()
        missing = self._given - self._taken
        if missing > 0:
            self._taken += missing
            yield np.zeros((len(AudioFrame("fltp", self._layout, 1).layout.channels), missing), np.float32)

    def _pull(self) -> Iterator[AudioSamples]:
        while True:
            try:
                frame = self._graph.pull()
            except (NothingYet, EndOfStream):
                return
            assert isinstance(frame, AudioFrame)
            samples = frame.to_ndarray().astype(np.float32, copy=False)[:, : self._given - self._taken]
            self._taken += samples.shape[1]
            if samples.shape[1]:
                yield samples


class DisguiseWriter:
    """Decodes an audio track, shifts it and encodes it as AAC. Audio that cannot be decoded becomes silence."""

    def __init__(self, container: OutputContainer, track: AudioTrack, warnings: WarningLog) -> None:
        self._track, self._warnings = track, warnings
        self._decoder = track.stream.codec_context
        self._rate = min(_AAC_RATES, key=lambda rate: abs(rate - (self._decoder.sample_rate or 48_000)))
        channels = self._decoder.channels
        self._channels = channels if channels in _LAYOUTS else 2
        self._layout = _LAYOUTS[self._channels]
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._shifter = VoiceShifter(self._rate, self._layout)
        self._start: int | None = None
        self._given = 0
        self._written = 0
        self._packets_end: int | None = None
        self._failed = False
        self.stream = container.add_stream("aac", rate=self._rate)
        context = self.stream.codec_context
        context.layout, context.format = self._layout, "fltp"
        context.bit_rate = max(96_000, 72_000 * self._channels)
        self.stream.time_base = context.time_base = Fraction(1, self._rate)

    def write(self, packet: Packet[AudioStream]) -> list[Packet[AudioStream]]:
        """Encoded packets that are ready."""
        begin = None if packet.pts is None else round(packet.pts * packet.time_base * self._rate)
        if begin is not None:
            length = round((packet.duration or 0) * packet.time_base * self._rate)
            self._packets_end = max(self._packets_end or 0, begin + length)
        try:
            frames = self._decoder.decode(packet)
        except FFmpegError:
            self._conceal(begin)
            return []
        packets: list[Packet[AudioStream]] = []
        for frame in frames:
            try:
                placed = list(self._placed(frame, packet.time_base))
            except (FFmpegError, ValueError):  # an invalid sample rate or channel layout
                self._conceal(begin)
                continue
            for samples in placed:
                packets += self._shift(samples)
        return packets

    def _conceal(self, begin: int | None) -> None:
        self._failed = True
        if self._start is None and begin is not None:
            self._start = max(0, begin)
        self._warnings.add(
            f"damaged {self._track}", f"{self._track}: damaged packets are replaced with silence", damage=True
        )

    def flush(self) -> list[Packet[AudioStream]]:
        """The packets still held by the decoder, the filters and the encoder."""
        packets: list[Packet[AudioStream]] = []
        try:
            rest = self._decoder.decode(None)
        except FFmpegError:
            rest = []
        for frame in rest:
            for samples in self._placed(frame, self._track.stream.time_base):
                packets += self._shift(samples)
        for samples in self._drained():
            packets += self._shift(samples)
        if self._failed and self._packets_end is not None:
            for samples in self._silence_until(self._packets_end):
                packets += self._shift(samples)
        for samples in self._shifter.flush():
            packets += self._encode(samples)
        return packets + (self.stream.encode(None) if self._written else [])

    def _placed(self, frame: AudioFrame, time_base: Fraction | None) -> Iterator[AudioSamples]:
        """The frame in the encoder's rate and layout, preceded by silence for any gap before it."""
        base = frame.time_base or time_base
        if frame.pts is not None and base is not None:
            at = round(frame.pts * base * self._rate)
            if self._start is None:
                self._start = at
            yield from self._silence_until(at)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or shape != self._shape:
            yield from self._drained()
            self._resampler, self._shape = AudioResampler("fltp", self._layout, self._rate), shape
        frame.pts = None  # from here on, time is counted in samples
        for resampled in self._resampler.resample(frame):
            yield _array(resampled)

    def _drained(self) -> Iterator[AudioSamples]:
        if self._resampler is not None:
            for frame in self._resampler.resample(None):
                yield _array(frame)
            self._resampler = None

    def _silence_until(self, at: int) -> Iterator[AudioSamples]:
        missing = at - (self._start or 0) - self._given
        if _GAP_SECONDS * self._rate < missing < _LONGEST_GAP_SECONDS * self._rate:
            while missing > 0:
                piece = min(missing, self._rate)
                missing -= piece
                yield np.zeros((self._channels, piece), np.float32)

    def _shift(self, samples: AudioSamples) -> list[Packet[AudioStream]]:
        self._given += samples.shape[1]
        return [packet for shifted in self._shifter.push(samples) for packet in self._encode(shifted)]

    def _encode(self, samples: AudioSamples) -> list[Packet[AudioStream]]:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", self._layout)
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        frame.pts = (self._start or 0) + self._written
        self._written += samples.shape[1]
        return self.stream.encode(frame)


def _array(frame: AudioFrame) -> AudioSamples:
    samples = frame.to_ndarray().astype(np.float32, copy=False)
    # A damaged packet may decode to anything, and the encoder rejects NaN and infinity.
    return np.clip(np.nan_to_num(samples, posinf=0, neginf=0), -_LOUDEST, _LOUDEST)
