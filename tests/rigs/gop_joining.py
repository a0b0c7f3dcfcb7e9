"""Replaces some groups of pictures of a video by encoded ones and copies the others, as a whole job would."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streamer.gops.avc import AvcForm
from streamer.gops.choice import Again, Copy, Encode, GopChooser
from streamer.gops.decoding_times import decoding_times
from streamer.gops.gop import Gop
from streamer.gops.joint import JoinedPacket, Joint, parse_form
from streamer.gops.scan import GopScanner
from tests.rigs.containers import FFMPEG

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".ts": "mpegts"}
_LIBRARIES = {"h264": "libx264", "hevc": "libx265"}
_CLOCK = Fraction(1, 25)
_Part = Gop | list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Joined:
    """What was copied and what was encoded: time stamps of the source in order of presentation."""

    pts: list[int]
    copied: set[int]
    refusals: list[str]
    gops: tuple[Gop, ...]


def packets(path: Path) -> Iterator[Packet[VideoStream]]:
    """The packets of the video with something in them."""
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                yield packet


def scan(path: Path) -> tuple[Gop, ...]:
    """The groups of pictures of a file."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        form = parse_form(context.codec.canonical_name, context.extradata)
    scanner = GopScanner(form)
    for packet in packets(path):
        scanner.packet(
            bytes(packet),
            packet.pts,
            key=packet.is_keyframe,
            corrupt=packet.is_corrupt,
            shown=not packet.is_discard,
            new_header=packet.has_sidedata("new_extradata"),
        )
    return scanner.finish()


class _Encoder:
    """Segments of one encoder: each begins with a key frame of its own."""

    def __init__(self, like: VideoCodecContext, options: dict[str, str]) -> None:
        self._like, self._options = like, options
        self._context = self._open()
        self.extradata = self._context.extradata
        self._given: list[int] = []
        self.out: list[tuple[int, bytes]] = []

    def _open(self) -> VideoCodecContext:
        like = self._like
        context = av.CodecContext.create(_LIBRARIES[like.codec.canonical_name], "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = like.width, like.height, like.pix_fmt
        context.time_base, context.framerate = _CLOCK, 1 / _CLOCK
        context.color_range, context.colorspace = like.color_range, like.colorspace
        context.color_primaries, context.color_trc = like.color_primaries, like.color_trc
        context.options = {"preset": "veryfast", "crf": "16", **self._options}
        context.flags |= Flags.global_header
        context.open()
        assert context.extradata == getattr(self, "extradata", context.extradata)
        return context

    def encode(self, frame: av.VideoFrame, pts: int) -> None:
        again = av.VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
        again.pts, again.time_base = len(self._given), _CLOCK
        self._given.append(pts)
        self._take(self._context.encode(again))

    def end(self) -> None:
        if self._given:
            self._take(self._context.encode(None))
            self._given, self._context = [], self._open()

    def _take(self, found: list[Packet[VideoStream]]) -> None:
        self.out += [(self._given[packet.pts or 0], bytes(packet)) for packet in found]


def rejoin(source: Path, target: Path, touched: Callable[[int], bool], most_held: int = 30) -> Joined:
    """Write `target` as if something was masked in the frames of which `touched` says so, by their index."""
    gops = scan(source)
    with av.open(str(source)) as container:
        video = container.streams.video[0]
        context, base = video.codec_context, video.time_base
        assert base is not None
        form = parse_form(context.codec.canonical_name, context.extradata)
        options = (
            {"x264-params": f"sps-id={form.free_id}"}
            if isinstance(form, AvcForm)
            else {"x265-params": "log-level=none"}
        )
        encoder = _Encoder(context, options)
        joint = Joint(form, parse_form(form.codec, encoder.extradata), FORMATS[target.suffix])
        frames = {frame.pts or 0: frame for frame in container.decode(video)}
        chooser = GopChooser(gops, most_held)
        order: list[_Part] = []
        copied: set[int] = set()
        for index, pts in enumerate(sorted(frames)):
            for choice in chooser.frame(pts, not touched(index)):
                _follow(choice, encoder, frames, order, copied)
        for choice in chooser.finish():
            _follow(choice, encoder, frames, order, copied)
        encoder.end()
        order.append(encoder.out)
        _write(target, context, joint, base, list(_stream(order, joint, source)))
    assert sorted(frames) == sorted(pts for gop in gops for pts in gop.pts)
    return Joined(sorted(frames), copied, [gop.refusal for gop in gops if gop.refusal], gops)


def _follow(
    choice: object,
    encoder: _Encoder,
    frames: dict[int, av.VideoFrame],
    order: list[_Part],
    copied: set[int],
) -> None:
    if isinstance(choice, Copy):
        encoder.end()
        order += [encoder.out, choice.gop]
        encoder.out = []
        copied.update(choice.gop.pts)
    elif isinstance(choice, Encode | Again):
        for pts in choice.pts:
            encoder.encode(frames[pts], pts)


def _stream(order: list[_Part], joint: Joint, source: Path) -> Iterator[tuple[int, JoinedPacket]]:
    given = [(packet.pts or 0, bytes(packet)) for packet in packets(source)]
    for part in order:
        if isinstance(part, Gop):
            yield from ((pts, joint.copied(data)) for pts, data in given[part.first : part.first + part.packets])
        else:
            yield from ((pts, joint.encoded(data)) for pts, data in part)


def _write(
    target: Path, like: VideoCodecContext, joint: Joint, base: Fraction, found: list[tuple[int, JoinedPacket]]
) -> None:
    pts = [shown for shown, _ in found]
    dts, _ = decoding_times(pts)
    following = {now: after - now for now, after in pairwise(sorted(pts))}
    options = {"mpegts_copyts": "1"} if target.suffix == ".ts" else {}
    place = av.open(
        str(target), "w", FORMATS[target.suffix], container_options={"avoid_negative_ts": "disabled", **options}
    )
    with place as container:
        container.flags |= 0x400  # bit-exact
        # Not from a template: that would also copy what the source's header says besides.
        stream = container.add_stream(_LIBRARIES[like.codec.canonical_name], rate=1 / _CLOCK)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = like.width, like.height, like.pix_fmt, base
        stream.codec_context.options = {"x265-params": "log-level=none"}
        if stream.codec_context.codec.canonical_name == "hevc" and target.suffix in (".mp4", ".mov"):
            stream.codec_context.codec_tag = "hvc1"
        stream.codec_context.open()
        stream.codec_context.extradata = joint.extradata
        container.start_encoding()
        for (_, joined), shown, decoded in zip(found, pts, dts.tolist(), strict=True):
            packet = Packet(joined.data)
            packet.pts, packet.dts, packet.duration = shown, decoded, following.get(shown, 1)
            packet.time_base, packet.is_keyframe, packet.stream = base, joined.key, stream
            container.mux_one(packet)


def ffmpeg_hashes(path: Path) -> list[tuple[Fraction, str]]:
    """Time in seconds and checksum of every frame that the ffmpeg program shows; fails if it says anything."""
    assert FFMPEG is not None
    done = subprocess.run(
        [
            *(FFMPEG, "-nostdin", "-v", "error", "-xerror", "-copyts", "-i", str(path), "-map", "0:v", "-fps_mode"),
            *("passthrough", "-enc_time_base", "-1", "-f", "framemd5", "-"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    base, found = Fraction(1), []
    for line in done.stdout.splitlines():
        if line.startswith("#tb"):
            base = Fraction(line.split()[-1])
        elif not line.startswith("#"):
            fields = [field.strip() for field in line.split(",")]
            found.append((int(fields[2]) * base, fields[5]))
    return found


_DEMUXERS = {".mp4": "qtdemux", ".mov": "qtdemux", ".mkv": "matroskademux", ".ts": "tsdemux"}


def gstreamer_hashes(path: Path, decoder: str = "avdec_h264") -> list[str]:
    """Checksum of every frame that GStreamer shows; fails if it says anything else. Skips the test without it."""
    program = shutil.which("gst-launch-1.0")
    if program is None:
        pytest.skip("gst-launch-1.0 is missing")
    parser = "h265parse" if "265" in decoder else "h264parse"
    line = (
        f"filesrc location={path} ! {_DEMUXERS[path.suffix]} ! {parser} ! {decoder} ! checksumsink hash=md5 sync=false"
    )
    done = subprocess.run([program, "-q", *line.split()], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [line.split()[1] for line in done.stdout.splitlines()]
