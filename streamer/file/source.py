"""Reads a video file in one pass: decoded frames and audio packets, in stored order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
from av.audio.stream import AudioStream
from av.codec.context import Flags, ThreadType
from av.error import EOFError as EndOfStream
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from core.frame import Frame
from core.pictures.orientation import UPRIGHT, Orientation
from core.pictures.planes import copied
from streamer.errors import InputError
from streamer.file.inspection import frame_rate, warn_about_alpha, warn_about_container
from streamer.file.memory_plan import decoder_threads, picture_bytes
from streamer.media.audio_track import AudioTrack, TrackPacket
from streamer.media.display_matrix import Matrix, orientation_of, parse_matrix
from streamer.media.input import claimed_end, open_input, pick_video
from streamer.media.losses import FLAGS_RACE, Losses, strictness
from streamer.media.metadata import harmless_tags, items_in_pictures, stripped_items
from streamer.media.picture_format import PictureFormat, closest_supported, hdr_of, side_data
from streamer.media.picture_limit import DEFAULT_LIMIT, PictureLimit
from streamer.media.timestamps import Continuity, PtsFiller, is_plausible
from streamer.warning_log import WarningLog

_MAX_DECODER_THREADS = 4  # every thread holds its own pictures
_NARROW, _BT709 = 1, 1  # AVCOL_RANGE_MPEG, AVCOL_SPC_BT709
_SHORT_SECONDS, _SHORT_SHARE = 0.3, 0.01  # warn if a file ends this much earlier than its header says
_CUT_AWAY, _SMALL = 2, 1 << 20  # copy cropped pictures above this ratio of decoded to shown pixels, plus a margin
_MAX_READ_ERRORS = 64  # in a row; after that the demuxer will not recover


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Properties of a file, known before its pictures are processed.

    `rate` is the average frame rate. `frames` and `duration` (seconds) are what the header claims, for progress only.
    `start` is the pts of the first frame. `stripped` names what a plain copy would keep, without values.
    """

    path: Path
    container: str
    video_codec: str
    picture: PictureFormat
    time_base: Fraction
    rate: Fraction
    orientation: Orientation
    display_matrix: Matrix | None
    audio_tracks: tuple[AudioTrack, ...]
    stripped: tuple[str, ...]
    harmless_tags: dict[str, str]
    frames: int | None
    duration: float | None
    start: int


class FileSource:
    """A video file, open for one pass: iterate over it to get `Frame`s and `TrackPacket`s.

    `threads` limits the decoder's threads (default: number of CPUs, at most 4). The decoder conceals damage, which is
    recorded in `warnings`; frames that it may affect are not trusted. Raises InputError if the file has no usable video
    or if its pictures are larger than `limit`.
    """

    def __init__(
        self,
        path: Path,
        threads: int | None = None,
        warnings: WarningLog | None = None,
        limit: PictureLimit = DEFAULT_LIMIT,
    ) -> None:
        self.warnings = warnings if warnings is not None else WarningLog()
        self.damaged = Fraction(0)
        """Seconds so far of missing or untrusted pictures."""
        self._path, self._limit = path, limit
        self._container = open_input(path, limit)
        try:
            self._video = pick_video(path, self._container, limit)
            warn_about_container(self._container, self._video, self.warnings)
            context = self._video.codec_context
            most = threads or min(_MAX_DECODER_THREADS, len(os.sched_getaffinity(0)))
            codec = context.codec.canonical_name
            if codec in FLAGS_RACE:
                most = 1
            name = context.format.name if context.format is not None else "yuv420p"
            self._threads = decoder_threads(picture_bytes(context.width, context.height, name), most)
            context.options = limit.codec_options | strictness(codec)
            # Keep corrupt pictures: they are masked whole, and no time is lost.
            context.flags |= Flags.output_corrupt
            context.thread_type = ThreadType.AUTO
            context.thread_count = self._threads
            context.copy_opaque = True  # frames then carry the number of their packet
            self._time_base = self._video.time_base or Fraction(1, 90_000)
            self._rate = frame_rate(self._video)
            self._losses = Losses(codec, self._threads if self._threads > 1 else 0, context.extradata)
            self._nominal = max(1, round(1 / self._rate / self._time_base))
            self._stamps = PtsFiller(self._nominal)
            self._ordinal = -1
            self._index = 0
            self._continuity = Continuity()
            self._clock_offset = Fraction(0)
            self._end: int | None = None
            self._held: Frame | None = None  # the newest frame: its duration is known once the next one comes
            self._claimed_end = claimed_end(self._video)
            self._picture: PictureFormat | None = None
            self._orientation = UPRIGHT
            self._matrix: Matrix | None = None
            self._in_pictures: tuple[str, ...] = ()
            self._audio_tracks = self._pick_audio()
            self._items = self._read()
            self._ahead = self._read_to_first_frame()
            self.info = self._describe()
        except BaseException:
            self._release_file()
            raise

    def __enter__(self) -> FileSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame | TrackPacket]:
        """All items from the start; can be iterated once."""
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._items

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._items.close()
        self._release_file()

    def _release_file(self) -> None:
        # PyAV frees a decoder while holding the GIL and waits for the decoder's threads, which may need the GIL to free
        # a packet or to log: a deadlock. Flushing first ends their work while the GIL is released.
        for stream in self._container.streams.video:
            context: object = stream.codec_context  # None without a decoder, contrary to the stubs
            if isinstance(context, VideoCodecContext):
                context.flush_buffers()
        self._container.close()

    def _read_to_first_frame(self) -> deque[Frame | TrackPacket]:
        ahead: deque[Frame | TrackPacket] = deque()
        for item in self._items:
            ahead.append(item)
            if isinstance(item, Frame):
                return ahead
        self._limit.check_refused(self._path)
        raise InputError(self._path, "none of its pictures could be decoded")

    def _describe(self) -> SourceInfo:
        assert self._picture is not None
        duration = self._container.duration
        kept = {track.stream.index for track in self._audio_tracks}
        return SourceInfo(
            path=self._path,
            container=self._container.format.name,
            video_codec=self._video.codec_context.codec.canonical_name,
            picture=self._picture,
            time_base=self._time_base,
            rate=self._rate,
            orientation=self._orientation,
            display_matrix=self._matrix,
            audio_tracks=self._audio_tracks,
            stripped=tuple(dict.fromkeys((*stripped_items(self._container, self._video, kept), *self._in_pictures))),
            harmless_tags=harmless_tags(self._container),
            frames=self._video.frames or (round(duration / 1_000_000 * self._rate) if duration else None),
            duration=None if duration is None else duration / 1_000_000,
            start=next(item.video.pts or 0 for item in self._ahead if isinstance(item, Frame)),
        )

    def _pick_audio(self) -> tuple[AudioTrack, ...]:
        tracks: list[AudioTrack] = []
        for stream in self._container.streams:
            if not isinstance(stream, AudioStream):
                continue
            context: object = stream.codec_context  # None without a decoder, contrary to the stubs
            if context is None:
                self.warnings.add("unknown audio", f"audio stream #{stream.index} has an unknown codec and is dropped")
                continue
            codec = stream.codec_context.codec.canonical_name
            tracks.append(AudioTrack(len(tracks), stream, codec, stream.language))
        return tuple(tracks)

    def _read(self) -> Generator[Frame | TrackPacket, None, None]:
        tracks = {track.stream.index: track.number for track in self._audio_tracks}
        for packet in self._packets([self._video, *(track.stream for track in self._audio_tracks)]):
            if packet.stream_index == self._video.index:
                yield from self._frames(packet)
            else:
                self._continue_clock(packet)
                yield TrackPacket(tracks[packet.stream_index], cast("Packet[AudioStream]", packet))
        yield from self._frames(None)
        if self._held is not None:
            yield self._released(self._held, None)
        self._check_end()
        if missing := self._losses.missing:
            self.damaged += missing / self._rate
            self.warnings.add(
                "lost", f"{missing} of {self._ordinal + 1} pictures could not be decoded and are missing", damage=True
            )

    def _packets(self, streams: list[Stream]) -> Iterator[Packet[Stream]]:
        errors = 0
        while errors < _MAX_READ_ERRORS:
            try:
                for packet in self._container.demux(*streams):
                    if packet.size:  # an empty packet would signal the end of the stream to the decoder
                        errors = 0
                        yield packet
            except FFmpegError as error:
                errors += 1
                self.warnings.add("read", f"part of the file cannot be read ({_reason(error)})", damage=True)
                self._losses.read_failed()
            except IndexError:  # PyAV has no stream for this packet; reading goes on behind it
                self.warnings.add("late track", "a track starts too late in the file to be found: it is dropped")
            else:
                return

    def _continue_clock(self, packet: Packet[Stream]) -> None:
        """Make an audio packet's time stamps continue across a restart of the file's clock."""
        base = packet.time_base
        if packet.dts is not None and not is_plausible(packet.dts, base):
            packet.dts = None
        if packet.pts is not None and not is_plausible(packet.pts, base):
            packet.pts = None
        time = packet.dts if packet.dts is not None else packet.pts
        if time is None:
            return
        offset = self._continuity.offset(packet.stream_index, time * base, (packet.duration or 0) * base)
        if offset:
            ticks = round(offset / base)
            packet.dts = None if packet.dts is None else packet.dts + ticks
            packet.pts = None if packet.pts is None else packet.pts + ticks

    def _frames(self, packet: Packet[Stream] | None) -> Iterator[Frame]:
        if packet is not None:
            self._ordinal += 1
            packet.opaque = self._ordinal
            if packet.is_corrupt:
                self.warnings.add("corrupt packet", "the file holds damaged video packets", damage=True)
            self._losses.packet(
                self._ordinal,
                bytes(packet),
                key=packet.is_keyframe,
                corrupt=packet.is_corrupt,
                shown=not packet.is_discard,
            )
        try:
            decoded = self._video.codec_context.decode(packet)
        except EndOfStream:
            return
        except FFmpegError as error:
            self.warnings.add("decode", f"video packets cannot be decoded ({_reason(error)})", damage=True)
            self._losses.decode_failed()
            return
        for video in decoded:
            ordinal = video.opaque if isinstance(video.opaque, int) else self._ordinal
            if self._losses.leaves_out(ordinal, video.is_corrupt):
                said = "pictures before the first key frame cannot be decoded and are dropped"
                self.warnings.add("leading", said, damage=True)
                self.damaged += 1 / self._rate
                continue
            frame, held = self._frame(video, ordinal), self._held
            self._held = frame
            if held is not None:
                yield self._released(held, frame)

    def _released(self, frame: Frame, following: Frame | None) -> Frame:
        """Set the frame's duration: until the next frame, or until the end according to the header.

        The duration that containers store with a packet cannot be used: it is the distance in decoding order.
        """
        pts, own = frame.video.pts or 0, frame.video.duration or self._nominal
        until = pts + own
        if following is not None:
            until = following.video.pts or 0
        elif self._claimed_end is not None and pts < self._claimed_end <= pts + 4 * max(own, self._nominal):
            until = self._claimed_end
        frame.video.duration = until - pts
        if not frame.trusted:
            self.damaged += Fraction(until - pts) * self._time_base
        self._end = until
        return frame

    def _frame(self, video: av.VideoFrame, ordinal: int) -> Frame:
        trusted = self._losses.is_trusted(ordinal, video.key_frame, video.is_corrupt)
        if not trusted:
            self.warnings.add("untrusted", "frames that may be affected by damage are masked whole", damage=True)
        if self._picture is None:
            self._inspect_first(video)
        pts = self._pts(video)
        duration = video.duration
        video = self._fitted(video)
        video.pts, video.time_base, video.duration = pts, self._time_base, duration
        frame = Frame(self._index, video, float(pts * self._time_base), self._orientation, trusted)
        self._index += 1
        return frame

    def _pts(self, video: av.VideoFrame) -> int:
        if not is_plausible(video.duration, self._time_base):
            video.duration = 0
        given = video.pts
        if given is not None and not is_plausible(given, self._time_base):
            self.warnings.add(
                "absurd", "some frames have implausible time stamps; they are derived from their neighbours"
            )
            return self._stamps.fill(None, None, 0)
        if given is None:
            self.warnings.add("no pts", "some frames have no time stamp; it is derived from their neighbours")
            return self._stamps.fill(None, video.dts, video.duration)
        base = self._time_base
        offset = self._continuity.offset(self._video.index, given * base, video.duration * base)
        if offset != self._clock_offset:
            self._clock_offset = offset
            self.warnings.add(
                "restart", "time stamps restart in the middle of the file; the copy continues them instead"
            )
        given += round(offset / base)
        pts = self._stamps.fill(given, None, video.duration)
        if pts != given:
            self.warnings.add("backwards", "time stamps of some frames run backwards; they are held instead")
        return pts

    def _inspect_first(self, video: av.VideoFrame) -> None:
        self._limit.check(self._path, video.width, video.height)
        for item in side_data(video):
            if item.type is SideDataType.DISPLAYMATRIX:
                self._matrix = parse_matrix(bytes(item))
                self._orientation = orientation_of(self._matrix)
        self._in_pictures = items_in_pictures(video)
        warn_about_alpha(video, self.warnings)
        name = video.format.name
        target = closest_supported(name)
        if target != name:
            self.warnings.add("format", f"pictures are converted from {name} to {target}")
        context, rgb = self._video.codec_context, video.format.is_rgb
        self._picture = PictureFormat(
            width=video.width,
            height=video.height,
            pixel_format=target,
            color_range=_NARROW if rgb else video.color_range,
            color_primaries=video.color_primaries,
            color_trc=video.color_trc,
            colorspace=_BT709 if rgb else video.colorspace,
            sample_aspect_ratio=self._video.sample_aspect_ratio,
            field_order=context.field_order if context.field_order > 1 else 2 if video.interlaced_frame else 0,
            hdr=hdr_of(video),
        )

    def _fitted(self, video: av.VideoFrame) -> av.VideoFrame:
        """The picture in the size and pixel format of the first one."""
        form = self._picture
        assert form is not None
        if (video.width, video.height) != (form.width, form.height):
            self.warnings.add(
                "size",
                f"the picture size changes to {video.width}x{video.height}; scaled to {form.width}x{form.height}",
            )
        elif video.format.name == form.pixel_format and video.planes[0].line_size > 0:
            context = self._video.codec_context
            if context.coded_width * context.coded_height <= _CUT_AWAY * video.width * video.height + _SMALL:
                return video
            return copied(video)  # otherwise a small queued picture keeps the memory of a large one
        if video.format.is_rgb:
            return video.reformat(
                form.width, form.height, form.pixel_format, dst_colorspace="ITU709", dst_color_range="MPEG", threads=1
            )
        # FFmpeg's sliced conversion randomly corrupts samples if the width is not a multiple of 16.
        return video.reformat(form.width, form.height, form.pixel_format, threads=1)

    def _check_end(self) -> None:
        if self._claimed_end is None or self._end is None:
            return
        missing = (self._claimed_end - self._end) * self._time_base
        if missing > max(_SHORT_SECONDS, _SHORT_SHARE * float(self._claimed_end * self._time_base)):
            said = f"the video ends {float(missing):.1f} s earlier than its header says; the file may be truncated"
            self.warnings.add("short", said, damage=True)
            self.damaged += missing


def _reason(error: FFmpegError) -> str:
    return (error.strerror or "unknown error").lower()
