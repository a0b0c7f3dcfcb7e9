"""Clips that flash and beep at the same instants, and when a recording of them does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream

from tests.rigs.camera.coded_clip import Bgr

AudioCodec = Literal["aac", "pcm_alaw", "pcm_mulaw"]
RATE = 25
SIZE = (320, 240)
PITCH = 900.0  # Hz
FIRST, EVERY, LONG = 0.4, 0.8, 0.2  # seconds: when it first flashes and beeps, how often, for how long
AUDIO_RATE = {"aac": 16_000, "pcm_alaw": 8_000, "pcm_mulaw": 8_000}
FRAME = {"aac": 1024, "pcm_alaw": 160, "pcm_mulaw": 160}  # samples a packet

Samples = npt.NDArray[np.float32]


def beeping_clip(target: Path, codec: AudioCodec | None = "aac", seconds: float = 8.0) -> Path:
    """Write H.264 without B-frames to `target` (.mp4; .mov for G.711), with audio of that codec or without any.

    8 s are whole packets in every codec, so that the clip can be played in a loop.
    """
    with av.open(str(target), "w") as container:
        settings = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "g": "25"}
        settings |= {"x264-params": "scenecut=0:repeat-headers=1:sliced-threads=0"}
        video = container.add_stream("libx264", RATE, settings)
        (video.width, video.height), video.pix_fmt = SIZE, "yuv420p"
        audio = None if codec is None else _audio_stream(container, codec)
        for number, bgr in enumerate(_pictures(round(seconds * RATE))):
            frame = av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(format="yuv420p", threads=1)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and codec is not None:
            for samples in _tones(seconds, codec):
                container.mux(audio.encode(samples))
            container.mux(audio.encode(None))
    return target


def _audio_stream(container: av.container.OutputContainer, codec: AudioCodec) -> AudioStream:
    audio = container.add_stream(codec, AUDIO_RATE[codec])
    audio.codec_context.layout = "mono"
    audio.codec_context.format = "fltp" if codec == "aac" else "s16"
    return audio


def _pictures(count: int) -> Iterator[Bgr]:
    width, height = SIZE
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    for number in range(count):
        if on(number / RATE + 1e-6):
            yield np.full((height, width, 3), 235, np.uint8)
        else:
            yield np.stack([20 + (x + 3 * number) % 50, 20 + (y + number) % 50, 20 + (x + y) % 50], 2).astype("u1")


def on(seconds: float) -> bool:
    """Whether it flashes and beeps."""
    return seconds >= FIRST and (seconds - FIRST) % EVERY < LONG


def _tones(seconds: float, codec: AudioCodec) -> Iterator[av.AudioFrame]:
    rate, size = AUDIO_RATE[codec], FRAME[codec]
    time = np.arange(round(seconds * rate)) / rate
    loud = (time >= FIRST) & ((time - FIRST + 1e-6) % EVERY < LONG)
    wave = (0.5 * np.sin(2 * np.pi * PITCH * time) * loud).astype(np.float32)
    for begin in range(0, len(wave), size):
        piece = wave[None, begin : begin + size]
        if codec == "aac":
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), "fltp", "mono")
        else:
            frame = av.AudioFrame.from_ndarray((piece * 32_000).astype(np.int16), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        yield frame


def audio_packets(path: Path) -> list[bytes]:
    """The coded audio of a file, without the encoder's priming."""
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(audio=0) if p.size and p.pts is not None and p.pts >= 0]


def has_audio(path: Path) -> bool:
    """Whether the file has an audio stream."""
    with av.open(str(path)) as container:
        return bool(container.streams.audio)


def flashes(path: Path) -> list[float]:
    """When it gets bright, in seconds."""
    with av.open(str(path)) as container:
        levels = [
            (float(frame.time or 0.0), float(frame.to_ndarray(format="gray").mean()))
            for frame in container.decode(video=0)
        ]
    return [at for (_, before), (at, level) in itertools.pairwise(levels) if before < 150 <= level]


def heard(path: Path) -> tuple[Samples, int]:
    """The decoded audio, mono, every sample at its time since 0, and its rate."""
    with av.open(str(path)) as container:
        frames = [(float(frame.time or 0.0), frame) for frame in container.decode(audio=0)]
    rate = frames[0][1].sample_rate
    pieces = [(round(at * rate), _mono(frame)) for at, frame in frames]
    wave = np.zeros(max(begin + len(piece) for begin, piece in pieces), np.float32)
    for begin, piece in pieces:
        wave[max(0, begin) : begin + len(piece)] = piece[max(0, -begin) :]
    return wave, rate


def _mono(frame: av.AudioFrame) -> Samples:
    samples = frame.to_ndarray().astype(np.float32).reshape(-1)
    return np.asarray(samples / 32768 if frame.format.name.startswith("s16") else samples, np.float32)


def beeps(path: Path) -> list[float]:
    """When it gets loud, in seconds."""
    wave, rate = heard(path)
    window = rate // 200
    envelope = np.convolve(np.abs(wave), np.ones(window) / window, "same")
    loud = np.flatnonzero(envelope > 0.1)
    starts = loud[np.flatnonzero(np.diff(loud, prepend=-rate) > 0.2 * rate)]
    return [float(start) / rate for start in starts]


def pitch(path: Path) -> float:
    """The strongest frequency in Hz."""
    wave, rate = heard(path)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum)) * rate / len(wave)


def apart(path: Path, after: float = 0.3) -> list[float]:
    """By how much each flash that is later than `after` seconds comes before the beep nearest to it, in seconds."""
    beeps_heard = np.array(beeps(path))
    seen = [at for at in flashes(path) if at > after]
    return [float(beeps_heard[np.argmin(np.abs(beeps_heard - at))] - at) for at in seen]
