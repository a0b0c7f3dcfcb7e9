"""Untouched groups of pictures keep their packets: the same pictures, nothing else of them, and no seam."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.packet import Packet
from av.video.stream import VideoStream

from streamer.file.entry import Entry
from streamer.file.source import FileSource
from streamer.settings.encoder import EncoderConfig
from streamer.settings.file import Settings
from streamer.units.job import anonymize_recording
from streamer.units.plan import plan_file
from tests.rigs.camera.audio_clip import audio_packets
from tests.rigs.containers import ffmpeg, needs_ffmpeg, video_times
from tests.rigs.faces import astronaut, read_grey
from tests.rigs.gop_joining import ffmpeg_hashes
from tests.rigs.recordings import H264, HEVC, QUICK, recording

pytestmark = [needs_ffmpeg, pytest.mark.slow]

PLAIN = (*H264, "-bf", "3", "-x264-params", "keyint=10:min-keyint=10:scenecut=0")

PLAIN_HEVC = (*HEVC, "-x265-params", "log-level=none:keyint=10:min-keyint=10:open-gop=0:bframes=2")


def with_a_face(target: Path, *options: str, seconds: int = 120) -> Path:
    """A recording that shows a face (a photograph) from 30 s to 34 s, and one at 100 s."""
    photo = target.with_name("photo.png")
    cv2.imwrite(str(photo), astronaut()[0:200, 130:330])
    plain = recording(target.with_name("plain.mkv"), "-c:v", "ffv1", seconds=seconds)
    shown = "enable='between(t,30,34)+between(t,100,100.5)'"
    graph = f"[0:v]scale=320:240[a];[1:v]scale=120:120[b];[a][b]overlay=90:60:{shown}"
    codec = options or PLAIN
    ffmpeg("-i", plain, "-i", photo, "-filter_complex", graph, "-map", "0:a", *codec, "-pix_fmt", "yuv420p", target)
    return target


LOOKS = Settings.model_validate(
    {"detect": {"scales": [{"long_side": 320}], "second": {"detector": "none"}, "turned_interval": 0}}
)


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", PLAIN), ("mkv", PLAIN), ("ts", PLAIN), ("mov", PLAIN_HEVC)])
def test_copied_pictures_are_the_original_s(suffix: str, codec: tuple[str, ...], tmp_path: Path) -> None:
    source = with_a_face(tmp_path / f"in.{suffix}", *codec, *(("-c:a", "aac") if suffix == "ts" else ()))
    target = tmp_path / f"out.{suffix}"
    kind = EncoderConfig(codec="hevc" if codec is PLAIN_HEVC else None, preset="ultrafast")
    report = anonymize_recording(source, target, LOOKS.model_copy(update={"encoder": kind}), workers=2)
    assert report.units == 2 and report.uncopied is None and report.faces >= 1
    before, after = ffmpeg_hashes(source), ffmpeg_hashes(target)
    assert [time for time, _ in before] == [time for time, _ in after]
    same = [time for (time, one), (_, two) in zip(before, after, strict=True) if one == two]
    assert len(same) == report.copied > 0.75 * report.frames
    start = before[0][0]
    assert not any(30 <= time - start < 34 for time in same), "what shows the face is never copied"
    assert audio_packets(target) == audio_packets(source)
    one, two = read_grey(source), read_grey(target)
    assert max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(one, two, strict=True)) < 40


def test_any_number_of_workers_copies_the_same(tmp_path: Path) -> None:
    source = with_a_face(tmp_path / "in.mp4")
    one, two = (anonymize_recording(source, tmp_path / f"{n}.mp4", LOOKS, workers=n) for n in (1, 2))
    assert one.output.sha256 == two.output.sha256 and one.copied > 0


def test_nothing_but_pictures_is_copied(tmp_path: Path) -> None:
    secret = "086f3693-b7b3-4f2c-9653-21492feee5b8+GPS48.2082N16.3738E"
    source = recording(tmp_path / "in.mp4", *PLAIN, "-bsf:v", f"h264_metadata=sei_user_data={secret}", seconds=30)
    assert source.read_bytes().count(b"GPS48.2082N") >= 1
    target = tmp_path / "out.mp4"
    report = anonymize_recording(source, target, QUICK)
    assert report.copied == report.frames == 150 and report.units == 1
    assert b"GPS48" not in target.read_bytes() and b"x264" not in target.read_bytes()
    assert ffmpeg_hashes(source) == ffmpeg_hashes(target)


@pytest.mark.parametrize(
    ("options", "settings", "why"),
    [
        ((), {"file": {"copy_untouched": False}}, "switched off"),
        ((), {"zones": [{"points": [[0, 0], [0.1, 0], [0.1, 0.1]]}]}, "zones"),
        ((), {"encoder": {"codec": "hevc"}}, "h264 becomes hevc"),
        (("-c:v", "libx265", "-x265-params", "log-level=none", "-preset", "ultrafast"), {}, "hevc"),
        ((*H264, "-flags", "+ildct+ilme"), {}, "interlaced"),
    ],
)
def test_where_copying_is_not_clean_all_is_encoded(
    options: tuple[str, ...], settings: dict[str, object], why: str, tmp_path: Path
) -> None:
    source = recording(tmp_path / "in.mp4", *(options or PLAIN), seconds=100)
    chosen = Settings.model_validate({**QUICK.model_dump(), **settings})
    report = anonymize_recording(source, tmp_path / "out.mp4", chosen)
    assert report.copied == 0 and report.units == 2
    assert report.uncopied is not None and (why in report.uncopied or "packets do not allow" in report.uncopied)
    assert video_times(tmp_path / "out.mp4") == video_times(source)


def test_groups_too_long_to_be_held_are_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = with_a_face(tmp_path / "in.mp4", *H264, "-bf", "2", "-x264-params", "keyint=100:scenecut=0", seconds=60)
    held = anonymize_recording(source, tmp_path / "held.mp4", LOOKS)
    monkeypatch.setattr("streamer.units.encoding.HELD_BYTES", 1)
    dropped = anonymize_recording(source, tmp_path / "dropped.mp4", LOOKS)
    assert held.output.sha256 == dropped.output.sha256
    assert 0 < held.copied < held.frames
    assert len(plan_file(source, LOOKS).units) == 1


def test_what_changed_since_it_was_looked_at_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = recording(tmp_path / "in.mp4", *PLAIN, seconds=30)
    real, calls = FileSource.packets, list[int]()

    def changed(self: FileSource, entry: Entry) -> Iterator[Packet[VideoStream]]:
        calls.append(1)
        for number, packet in enumerate(real(self, entry)):
            if len(calls) > 1 and number == 7:  # the second time, packets are read to be copied
                data = bytearray(bytes(packet))
                data[-1] ^= 1
                packet.update(bytes(data))
            yield packet

    monkeypatch.setattr(FileSource, "packets", changed)
    report = anonymize_recording(source, tmp_path / "out.mp4", QUICK)
    assert len(calls) == 2 and report.copied == 0 and report.units == 1 and report.frames == 150
