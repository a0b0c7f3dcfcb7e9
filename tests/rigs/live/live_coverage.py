"""What a labelled clip looks like behind `veilcast live`: picture by picture beside its labels, ready for the judge."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from streamer import anonymize_file
from tests.rigs.camera.coded_clip import coded_clip
from tests.rigs.camera.frame_code import read
from tests.rigs.camera.recorder import Recorder
from tests.rigs.camera.rtsp_camera import RtspCamera
from tests.rigs.live.veilcast_process import Told, Veilcast


@dataclass(frozen=True)
class Judged:
    """What the judge says of one or several passes of a clip. `skipped` pictures never came; they are not judged."""

    face_frames: int = 0
    leaks: int = 0
    longest: int = 0
    over_masked: float = 0.0
    skipped: int = 0

    @property
    def share(self) -> float:
        """Of face-frames that leak."""
        return self.leaks / max(1, self.face_frames)

    def __add__(self, other: Judged) -> Judged:
        """Both together; the over-masking is the larger."""
        return Judged(
            self.face_frames + other.face_frames,
            self.leaks + other.leaks,
            max(self.longest, other.longest),
            max(self.over_masked, other.over_masked),
            self.skipped + other.skipped,
        )


@dataclass(frozen=True)
class Compared:
    """The same clip behind `veilcast live` and `veilcast file`."""

    live: Judged
    file: Judged
    told: Told


def compare(clip: Path, labels: Path, judge: Path, passes: int = 1, *options: str) -> Compared:
    """Loop `clip` through a camera, record what is published, and have `judge` look at so many passes of it."""
    with TemporaryDirectory(prefix="coverage-") as name:
        folder = Path(name)
        coded, masked = folder / "coded.mp4", folder / "masked.mp4"
        size, rate = _size_and_rate(clip)
        count = coded_clip(clip, coded, size, max(1, round(rate)), options={"crf": "16"})
        anonymize_file(coded, masked)
        of_file = _verdict(judge, clip, masked, labels)
        with (
            RtspCamera(coded, rate=rate) as camera,
            Veilcast(camera.url, *options, log=folder / "veilcast.log") as veilcast,
        ):
            veilcast.until_settled()
            before = veilcast.told()
            with Recorder(veilcast.url(), folder) as recorder:
                recorder.wait_for_data()
                time.sleep((passes + 1) * count / rate + 1)  # it may have begun just after the clip did
            told = veilcast.told().since(before)
        of_live = Judged()
        # A number misread through a mask looks like a leap over most of a pass, which is then not to be judged.
        found = [places for places in whole_passes(_numbers(recorder.path), count) if len(places) > 0.75 * count]
        for places in found[:passes]:
            of_live += _judge_pass(judge, clip, recorder.path, places, labels, folder)
    return Compared(of_live, of_file, told)


def whole_passes(numbers: Sequence[int | None], length: int) -> list[dict[int, int]]:
    """For each whole pass of a clip of `length` pictures: which of those received shows picture n of it.

    `numbers` are those in the corner of the pictures received, None where a picture is masked as a whole: such ones
    stand where the pictures around them leave room, as late as possible.
    """
    place: dict[int, int] = {}
    newest: int | None = None
    blank: list[int] = []
    for index, number in enumerate(numbers):
        if number is None:
            blank.append(index)
            continue
        position = number if newest is None else newest + (number - newest) % length
        if position == newest:
            continue  # shown twice
        for back, covered in enumerate(reversed(blank), 1):
            if newest is not None and position - back > newest:
                place[position - back] = covered
        place[position] = index
        newest, blank = position, []
    if newest is None:
        return []
    first = min(place)
    begun = -(-first // length)  # passes that were there from their first picture
    return [
        {n: place[at * length + n] for n in range(length) if at * length + n in place}
        for at in range(begun, (newest + 1) // length)
    ]


def _judge_pass(judge: Path, clip: Path, received: Path, places: dict[int, int], labels: Path, folder: Path) -> Judged:
    """Where a picture never came the original stands in its place, and its labels are left out."""
    aligned, kept = folder / "aligned.mkv", folder / "labels.json"
    shown = _Ahead(received)
    skipped = 0
    with av.open(str(aligned), "w") as container:
        stream: VideoStream | None = None
        for number, original in enumerate(_frames(clip)):
            index = places.get(number)
            frame = original if index is None else shown.at(index)
            skipped += index is None
            if stream is None:
                width, height = original.width, original.height
                stream = container.add_stream("ffv1", 25)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            plain = frame.reformat(width, height, "yuv420p", threads=1)
            plain.pts, plain.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(plain))
        assert stream is not None
        container.mux(stream.encode(None))
    known = json.loads(labels.read_text("utf-8"))
    known["faces"] = [face for face in known["faces"] if face["frame"] in places]
    kept.write_text(json.dumps(known), "utf-8")
    found = _verdict(judge, clip, aligned, kept)
    return found + Judged(skipped=skipped)


def _verdict(judge: Path, original: Path, masked: Path, labels: Path) -> Judged:
    command = [sys.executable, str(judge), str(original), str(masked), str(labels), "--json"]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert (said["frames_missing_in_output"], said["frames_extra_in_output"]) == (0, 0), said
    return Judged(said["face_frames"], said["leaks"], said["longest_leak_frames"], said["over_masked"])


class _Ahead:
    """Pictures of a video by their place, asked for in order."""

    def __init__(self, path: Path) -> None:
        self._frames = enumerate(_frames(path))

    def at(self, index: int) -> av.VideoFrame:
        for place, frame in self._frames:
            if place == index:
                return frame
        raise IndexError(index)


def _frames(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            try:
                yield from stream.codec_context.decode(packet if packet.size else None)
            except FFmpegError:
                continue


def _numbers(path: Path) -> list[int | None]:
    return [read(frame.to_ndarray(format="bgr24").astype("u1")) for frame in _frames(path)]


def _size_and_rate(clip: Path) -> tuple[tuple[int, int], float]:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate or 25
        return (stream.width, stream.height), float(rate)
