from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from streamer.errors import OutputError
from streamer.media.disguise import PITCH, VoiceShifter
from tests.rigs.containers import (
    FFMPEG,
    encoded,
    ffmpeg,
    needs_ffmpeg,
    picture,
    plain,
    sound_hash,
    streams,
    tone,
    two_sounds,
    video_times,
    x264,
)
from tests.rigs.copying import copy

RATE = 48_000
Sound = npt.NDArray[np.float32]


def samples(path: Path, track: int = 0) -> Sound:
    """The decoded sound as a player would play it: mono, 48 kHz, silence up to the first sample."""
    assert FFMPEG is not None
    play = ["-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", str(RATE), "-f", "f32le", "-"]
    raw = subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", "-copyts", "-i", str(path), "-map", f"0:a:{track}", *play],
        capture_output=True,
        check=True,
    ).stdout
    return np.frombuffer(raw, np.float32)


def pitch(sound: Sound) -> float:
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum)) * RATE / len(sound)


def onsets(sound: Sound) -> list[float]:
    """When bursts begin, in seconds."""
    envelope = np.convolve(np.abs(sound), np.ones(48) / 48, "same")
    loud = np.flatnonzero(envelope > 0.1 * envelope.max())
    starts = loud[np.flatnonzero(np.diff(loud, prepend=-RATE) > 0.2 * RATE)]
    return [float(start) / RATE for start in starts]


def bursts(path: Path) -> Path:
    """A tone burst of 40 ms at 0.5, 1.0, ... 3.5 s under a moving picture."""
    gate = "aeval='sin(2*PI*900*t)*lt(mod(t,0.5),0.04)*gte(t,0.4)':s=48000:d=4"
    ffmpeg(
        *picture(seconds=4, rate="10"),
        "-f",
        "lavfi",
        "-i",
        gate.replace("aeval", "aevalsrc"),
        *x264(),
        "-c:a",
        "aac",
        path,
    )
    return path


def sound(codec: str, *more: str, rate: int = RATE, seconds: float = 0.6) -> Callable[[Path], Path]:
    def build(path: Path) -> Path:
        ffmpeg(*picture(), *tone(500, seconds, rate), *x264(), "-c:a", codec, *more, path)
        return path

    return build


@needs_ffmpeg
def test_drop_leaves_no_sound(tmp_path: Path) -> None:
    copy(two_sounds(tmp_path / "in.mp4"), tmp_path / "out.mp4", audio="drop")
    assert streams(tmp_path / "out.mp4", "audio") == []
    assert len(video_times(tmp_path / "out.mp4")) == 15


@needs_ffmpeg
@pytest.mark.parametrize(
    ("build", "source", "target", "codec"),
    [
        (sound("libvorbis"), "in.mkv", "out.mov", "vorbis"),
        (sound("pcm_s16le"), "in.mkv", "out.ts", "pcm_s16le"),
    ],
)
def test_a_container_that_cannot_hold_the_sound_is_refused(
    tmp_path: Path, build: Callable[[Path], Path], source: str, target: str, codec: str
) -> None:
    given = build(tmp_path / source)
    with pytest.raises(OutputError, match=rf"cannot hold audio track #1 \({codec}\) as it is; choose a \.mkv"):
        copy(given, tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == [source]
    copy(given, tmp_path / "out.mkv")
    assert sound_hash(tmp_path / "out.mkv") == sound_hash(given)


@needs_ffmpeg
def test_sound_that_no_container_here_holds_can_be_disguised_or_dropped(tmp_path: Path) -> None:
    source = sound("pcm_mulaw")(tmp_path / "in.mov")
    with pytest.raises(OutputError, match=r"\.mkv cannot hold audio track #1 \(pcm_mulaw\) as it is; disguise or drop"):
        copy(source, tmp_path / "out.mkv")
    copy(source, tmp_path / "out.mov")
    assert sound_hash(tmp_path / "out.mov") == sound_hash(source)


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_kept_track_stays_in_sync(tmp_path: Path, suffix: str) -> None:
    source = bursts(tmp_path / "in.mp4")
    copy(source, tmp_path / f"out{suffix}")
    assert len(onsets(samples(source))) == 7
    late = np.subtract(onsets(samples(tmp_path / f"out{suffix}")), onsets(samples(source)))
    assert np.abs(late).max() < 0.002


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_disguised_track_stays_in_sync(tmp_path: Path, suffix: str) -> None:
    source, target = bursts(tmp_path / "in.mp4"), tmp_path / f"out{suffix}"
    copy(source, target, audio="disguise")
    before, after = samples(source), samples(target)
    late = np.subtract(onsets(after), onsets(before))
    assert len(late) == 7
    assert np.abs(late).max() < 0.03
    assert abs(np.median(late)) < 0.015
    assert abs(len(after) - len(before)) <= 1024


@pytest.mark.slow
@needs_ffmpeg
def test_sound_that_starts_late_starts_late_in_disguise(tmp_path: Path) -> None:
    source, video = tmp_path / "in.mkv", encoded(tmp_path / "video.mkv", *x264())
    ffmpeg("-i", video, "-itsoffset", "0.3", *tone(seconds=0.3), "-c:v", "copy", "-c:a", "pcm_s16le", source)
    copy(source, tmp_path / "out.mkv", audio="disguise")
    begin = onsets(samples(tmp_path / "out.mkv"))[0]
    assert onsets(samples(source))[0] == pytest.approx(0.3, abs=0.005)
    assert begin == pytest.approx(0.3, abs=0.03)


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize(
    ("build", "suffix", "channels"),
    [
        (sound("aac"), ".mp4", 1),
        (sound("aac", "-ac", "2", rate=44_100), ".mp4", 2),
        (sound("aac", "-ac", "6"), ".mkv", 6),
        (sound("pcm_s16le", "-ar", "8000"), ".mkv", 1),
        (sound("pcm_s16le", "-ar", "37800"), ".mkv", 1),
        (sound("pcm_f32le", "-ar", "192000", "-ac", "2"), ".mkv", 2),
        (sound("mp3", "-ar", "22050"), ".mkv", 1),
        (sound("libopus", "-ac", "2"), ".mkv", 2),
    ],
    ids=["mono", "stereo 44.1", "5.1", "8 kHz", "odd rate", "float 192 kHz", "mp3", "opus"],
)
def test_voices_are_lowered_whatever_the_track(
    tmp_path: Path, build: Callable[[Path], Path], suffix: str, channels: int
) -> None:
    source, target = build(tmp_path / f"in{suffix}"), tmp_path / "out.mp4"
    copy(source, target, audio="disguise")
    stream = streams(target, "audio")[0]
    assert (stream["codec_name"], stream["channels"]) == ("aac", channels)
    before, after = samples(source), samples(target)
    assert pitch(before) == pytest.approx(500, rel=0.03)
    assert pitch(after) == pytest.approx(500 * PITCH, rel=0.03)
    rate = int(str(stream["sample_rate"]))
    assert abs(len(after) - len(before)) <= 1024 * RATE / rate
    assert len(video_times(target)) == 15


@needs_ffmpeg
def test_every_track_is_disguised_and_keeps_its_language(tmp_path: Path) -> None:
    source, target = two_sounds(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    copy(source, target, audio="disguise")
    tracks = streams(target, "audio")
    assert [track["tags"]["language"] for track in tracks] == ["eng", "deu"]  # type: ignore[index]
    assert [track["disposition"]["default"] for track in tracks] == [0, 1]  # type: ignore[index]
    for number, frequency in enumerate((440, 660)):
        assert pitch(samples(target, number)) == pytest.approx(frequency * PITCH, rel=0.03)


@pytest.mark.slow
@needs_ffmpeg
@pytest.mark.parametrize("audio", ["keep", "drop", "disguise"])
def test_a_video_without_sound_is_no_trouble(tmp_path: Path, audio: str) -> None:
    source = encoded(tmp_path / "in.mp4", *x264())
    copy(source, tmp_path / "out.mp4", audio=audio)  # type: ignore[arg-type]
    assert streams(tmp_path / "out.mp4", "audio") == []
    assert video_times(tmp_path / "out.mp4") == video_times(source)


@needs_ffmpeg
def test_damaged_sound_becomes_silence_and_the_rest_stays_in_place(tmp_path: Path) -> None:
    source, broken = bursts(tmp_path / "in.mp4"), tmp_path / "broken.mp4"
    with av.open(str(source)) as reader, av.open(str(broken), "w") as writer:
        out = {s.index: writer.add_stream_from_template(s, opaque=True) for s in reader.streams}
        for packet in reader.demux():
            if packet.size == 0:
                continue
            time = float((packet.pts or 0) * packet.time_base)
            if packet.stream.type == "audio" and 1.2 < time < 1.8:
                hurt = av.Packet(b"\xff" * packet.size)
                hurt.pts, hurt.dts, hurt.time_base, hurt.duration = (
                    packet.pts,
                    packet.dts,
                    packet.time_base,
                    packet.duration,
                )
                hurt.stream = out[packet.stream_index]
                writer.mux(hurt)
            else:
                packet.stream = out[packet.stream_index]
                writer.mux(packet)
    _, warnings = copy(broken, tmp_path / "out.mp4", audio="disguise")
    assert any("replaced with silence" in line for line in warnings.lines)
    heard = samples(tmp_path / "out.mp4")
    assert np.abs(heard[int(1.35 * RATE) : int(1.7 * RATE)]).max() < 0.05
    assert onsets(heard) == pytest.approx([0.5, 1.0, 2.0, 2.5, 3.0, 3.5], abs=0.03)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("length", [0, 1, 100, 50_000])
def test_a_shifter_gives_as_many_samples_as_it_takes(rate: int, length: int) -> None:
    shifter, given = VoiceShifter(rate, "stereo"), np.zeros((2, length), np.float32)
    pieces = [p for at in range(0, length, 1000) for p in shifter.push(given[:, at : at + 1000])] + list(
        shifter.flush()
    )
    assert sum(piece.shape[1] for piece in pieces) == length
    assert all(piece.shape[0] == 2 for piece in pieces)


@needs_ffmpeg
def test_adts_from_a_transport_stream_holds_the_same_sound_in_mp4(tmp_path: Path) -> None:
    def frames(path: Path) -> str:
        assert FFMPEG is not None
        raw = subprocess.run(
            [FFMPEG, "-v", "error", "-i", str(path), "-c", "copy", "-map", "0:a", "-f", "adts", "-"],
            capture_output=True,
            check=True,
        ).stdout
        return hashlib.sha256(raw).hexdigest()

    source = plain(tmp_path / "in.ts")
    copy(source, tmp_path / "out.mp4")
    assert frames(tmp_path / "out.mp4") == frames(source)
