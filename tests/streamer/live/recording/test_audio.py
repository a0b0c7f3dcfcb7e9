"""What the recorder does with audio that is available all at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.live.audio import AudioFormat, AudioPacket, format_of
from streamer.live.packet import CLOCK, VideoPacket
from streamer.live.recording.recorder import Recorder
from streamer.settings.audio import AudioPolicy
from streamer.settings.recording import ContainerName, RecordConfig
from tests.rigs.camera.audio_clip import AudioCodec, audio_packets, beeping_clip, has_audio, heard
from tests.rigs.live.recording import CONTAINERS, WAIT, encoded, killed_while_recording, output, pictures, until

pytestmark = pytest.mark.slow

Log = pytest.LogCaptureFixture


def clip_audio(folder: Path, codec: AudioCodec, seconds: float = 4.0, first: float = 0.0) -> list[AudioPacket]:
    """Packets of a clip, from `first` on, in seconds."""
    clip = beeping_clip(folder / f"{codec}.{'mp4' if codec == 'aac' else 'mov'}", codec, seconds)
    with av.open(str(clip)) as container:
        stream = container.streams.audio[0]
        form, base = format_of(stream), stream.time_base or Fraction(1)
        packets = [
            AudioPacket(
                bytes(p), round((p.pts * base + first) * CLOCK), round((p.duration or 0) * base * CLOCK), 1, form
            )
            for p in container.demux(stream)
            if p.size and p.pts is not None and p.pts >= 0
        ]
    clip.unlink()
    return packets


def record(
    folder: Path,
    video: list[VideoPacket],
    heard: list[AudioPacket],
    config: RecordConfig,
    audio: AudioPolicy = "keep",
) -> list[Path]:
    """The files recorded from audio that arrives before its pictures."""
    stream = output()
    recorder = Recorder(stream, folder, config, audio)
    recorder.start()
    waiting: Iterator[AudioPacket] = iter(heard)
    ahead = next(waiting, None)
    for packet in video:
        while ahead is not None and ahead.pts <= packet.pts + CLOCK // 5:
            stream.audio.publish(ahead)
            ahead = next(waiting, None)
        stream.publish(packet)
        until(lambda: recorder._subscription is None or not len(recorder._subscription))
    assert recorder.close(WAIT)
    assert recorder.trouble is None and recorder.drops == 0 and recorder.audio_drops == 0
    return sorted(recorder.folder.iterdir(), key=lambda path: (len(path.name), path.name))


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(p.pts * p.time_base) for p in container.demux(audio=0) if p.size and p.pts is not None]


@pytest.mark.parametrize("container", CONTAINERS)
def test_packets_are_kept_in_order_and_time_over_segments(tmp_path: Path, container: ContainerName) -> None:
    given = clip_audio(tmp_path, "aac")
    files = record(tmp_path / "out", encoded(100), given, RecordConfig(container=container, segment_seconds=2))
    assert [len(pictures(path)) for path in files] == [50, 50]
    kept = [packet for path in files for packet in audio_packets(path)]
    assert kept == [packet.data for packet in given]
    second = times(files[1])
    first = next(p.pts for p in given if p.pts >= 2 * CLOCK) / CLOCK - 2
    assert first > 0.01, "the test means audio that does not begin with the picture"
    assert second == pytest.approx([first + n * 0.064 for n in range(len(second))], abs=0.002)


@pytest.mark.parametrize("container", CONTAINERS)
def test_audio_that_starts_late_starts_a_new_file_in_sync(tmp_path: Path, container: ContainerName) -> None:
    given = clip_audio(tmp_path, "aac", first=1.65)
    files = record(tmp_path / "out", encoded(100), given, RecordConfig(container=container))
    assert [has_audio(path) for path in files] == [False, True]
    assert [number for path in files for number, _ in pictures(path)] == list(range(100))
    # A key frame comes every second here.
    assert times(files[1])[0] == pytest.approx(1.65 + 6 * 0.064 - 2, abs=0.002)


def test_no_audio_is_recorded_with_drop_or_without_source_audio(tmp_path: Path) -> None:
    (dropped,) = record(tmp_path / "a", encoded(30), clip_audio(tmp_path, "aac"), RecordConfig(), "drop")
    (nothing,) = record(tmp_path / "b", encoded(30), [], RecordConfig(), "keep")
    assert not has_audio(dropped) and not has_audio(nothing)
    assert dropped.read_bytes() == nothing.read_bytes()


def test_g711_is_left_out_of_mp4_with_one_warning(tmp_path: Path, caplog: Log) -> None:
    (path,) = record(tmp_path / "out", encoded(75), clip_audio(tmp_path, "pcm_alaw"), RecordConfig())
    assert not has_audio(path) and len(pictures(path)) == 75
    told = [r.message for r in caplog.records if "audio" in r.message]
    assert told == ["audio is not recorded: mp4 cannot hold pcm_alaw as it is; record to mkv, or disguise the audio"]


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw"])
def test_g711_is_linear_pcm_of_the_same_values_in_mkv(tmp_path: Path, codec: AudioCodec) -> None:
    given = clip_audio(tmp_path, codec)
    (path,) = record(tmp_path / "out", encoded(100), given, RecordConfig(container="mkv"))
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 8000, "mono"
    values = [f.to_ndarray().tobytes() for p in given for f in decoder.decode(av.Packet(p.data))]
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == "pcm_s16le"
    assert b"".join(audio_packets(path)) == b"".join(values)


def test_another_audio_format_starts_another_file(tmp_path: Path) -> None:
    given = clip_audio(tmp_path, "aac", 2.0)
    other = replace(given[0].format, description=stereo(tmp_path).description, channels=2)
    after = [replace(p, pts=p.pts + 2 * CLOCK, connection=2, format=other) for p in given]
    same = [replace(p, pts=p.pts + 4 * CLOCK, connection=3, format=other) for p in given]
    files = record(tmp_path / "out", encoded(150), [*given, *after, *same], RecordConfig())
    assert len(files) == 2, "a new connection with the same format needs no new file"
    with av.open(str(files[1])) as container:
        assert container.streams.audio[0].codec_context.channels == 2


def stereo(folder: Path) -> AudioFormat:
    path = folder / "stereo.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", 16_000)
        stream.codec_context.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        return format_of(container.streams.audio[0])


def test_damaged_audio_never_harms_the_picture(tmp_path: Path, caplog: Log) -> None:
    given = [replace(p, data=os.urandom(len(p.data))) for p in clip_audio(tmp_path, "aac")]
    for policy in ("keep", "disguise"):
        (path,) = record(tmp_path / policy, encoded(100), given, RecordConfig(), policy)
        assert len(pictures(path)) == 100
    broken = replace(given[0].format, description=b"nothing")
    (path, *_) = record(tmp_path / "broken", encoded(100), [replace(p, format=broken) for p in given], RecordConfig())
    assert [number for number, _ in pictures(path)] == list(range(100)) and not has_audio(path)
    assert any("not recorded" in r.message for r in caplog.records)


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_disguised_audio_is_as_long_as_the_original(tmp_path: Path, pause: float) -> None:
    given = [replace(p, pts=p.pts + round(pause * CLOCK) * (p.pts > CLOCK)) for p in clip_audio(tmp_path, "aac")]
    (path,) = record(tmp_path / "out", encoded(125), given, RecordConfig(), "disguise")
    wave, rate = heard(path)
    assert len(wave) / rate == pytest.approx(4.0 + pause, abs=0.15)


KILLED = """
import sys, time
from pathlib import Path
from streamer.settings.recording import RecordConfig
from streamer.live.recording.recorder import Recorder
from tests.rigs.live.recording import encoded, output
from tests.streamer.live.recording.test_audio import clip_audio
folder = Path(sys.argv[1])
stream, packets, said = output(), encoded(180, key=1000), clip_audio(folder, "aac", 7.2)
recorder = Recorder(stream, folder, RecordConfig(container=sys.argv[2], fragment_seconds=0.5), "keep")
recorder.start()
for packet in packets:
    while said and said[0].pts <= packet.pts:
        stream.audio.publish(said.pop(0))
    stream.publish(packet)
    time.sleep(0.005)
while len(recorder._subscription):
    time.sleep(0.01)
time.sleep(0.2)
print("written", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("container", CONTAINERS)
def test_playable_with_its_audio_after_kill_9(tmp_path: Path, container: str) -> None:
    path = killed_while_recording(KILLED, tmp_path, container)
    assert times(path)[-1] > 7.2 - 1.2
