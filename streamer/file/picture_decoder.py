"""Turns the packets of a video track into frames: time stamps, trust, one picture format throughout."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import Flags, ThreadType
from av.error import EOFError as EndOfStream
from av.error import FFmpegError
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Stream
from av.video.stream import VideoStream

from core.frame import Frame
from core.pictures.orientation import UPRIGHT, Orientation
from core.pictures.planes import copied
from streamer.file.inspection import frame_rate, warn_about_alpha
from streamer.file.memory_plan import decoder_threads, picture_bytes
from streamer.media.display_matrix import Matrix, orientation_of, parse_matrix
from streamer.media.input import claimed_end
from streamer.media.losses import FLAGS_RACE, Losses, strictness
from streamer.media.metadata import items_in_pictures
from streamer.media.picture_format import PictureFormat, closest_supported, hdr_of, side_data
from streamer.media.picture_limit import PictureLimit
from streamer.media.timestamps import Continuity, PtsFiller, is_plausible
from streamer.warning_log import WarningLog

_NARROW, _BT709 = 1, 1  # AVCOL_RANGE_MPEG, AVCOL_SPC_BT709
_SHORT_SECONDS, _SHORT_SHARE = 0.3, 0.01  # warn if a file ends this much earlier than its header says
_CUT_AWAY, _SMALL = 2, 1 << 20  # copy cropped pictures above this ratio of decoded to shown pixels, plus a margin


class PictureDecoder:
    """Decodes one video track: packets in stored order in, frames in presentation order out.

    It conceals damage, which is recorded in `warnings`; frames that it may affect are not trusted. The first picture
    decides on size and pixel format. `threads`: at most so many. Raises InputError for pictures larger than `limit`.
    """

    def __init__(
        self,
        path: Path,
        video: VideoStream,
        threads: int,
        warnings: WarningLog,
        limit: PictureLimit,
        continuity: Continuity,
    ) -> None:
        self.damaged = Fraction(0)
        """Seconds so far of missing or untrusted pictures."""
        self.picture: PictureFormat | None = None
        """Of the first picture; None until it is decoded."""
        self.orientation: Orientation = UPRIGHT
        self.matrix: Matrix | None = None
        self.in_pictures: tuple[str, ...] = ()
        """What the first picture carries besides samples: names, never values."""
        self._path, self._video, self._warnings, self._limit = path, video, warnings, limit
        context = video.codec_context
        self._codec = context.codec.canonical_name
        most = 1 if self._codec in FLAGS_RACE else threads
        name = context.format.name if context.format is not None else "yuv420p"
        self._threads = decoder_threads(picture_bytes(context.width, context.height, name), most)
        context.options = limit.codec_options | strictness(self._codec)
        # Keep corrupt pictures: they are masked whole, and no time is lost.
        context.flags |= Flags.output_corrupt
        context.thread_type = ThreadType.AUTO
        context.thread_count = self._threads
        context.copy_opaque = True  # frames then carry the number of their packet
        self.time_base = video.time_base or Fraction(1, 90_000)
        self.rate = frame_rate(video)
        self._nominal = max(1, round(1 / self.rate / self.time_base))
        self._claimed_end = claimed_end(video)
        self._continuity = continuity
        self._since: int | None = None
        self._begin()

    def _begin(self) -> None:
        extradata = self._video.codec_context.extradata
        self._losses = Losses(self._codec, self._threads if self._threads > 1 else 0, extradata)
        self._stamps = PtsFiller(self._nominal)
        self._ordinal = -1
        self._index = 0
        self._clock_offset = Fraction(0)
        self._end: int | None = None
        self._held: Frame | None = None  # the newest frame: its duration is known once the next one comes

    def restart(self, since: int) -> None:
        """The next packet is a key frame somewhere else in the file; what was not decoded yet is dropped.

        Nothing is said of what is wrong with frames before the pts `since`: they may need what is before the key frame.
        """
        self._video.codec_context.flush_buffers()
        self._since = since
        self._begin()

    def read_failed(self) -> None:
        """Part of the file before the next packet could not be read."""
        self._losses.read_failed()

    def finish(self) -> Iterator[Frame]:
        """The last frames; then `damaged` and the warnings are complete."""
        yield from self.decode(None)
        if self._held is not None:
            yield self._released(self._held, None)
        self._check_end()
        # Right after a key frame in the middle of a file, pictures that need what is before it are left out.
        if self._since is None and (missing := self._losses.missing):
            self.damaged += missing / self.rate
            self._warnings.add(
                "lost", f"{missing} of {self._ordinal + 1} pictures could not be decoded and are missing", damage=True
            )

    def decode(self, packet: Packet[Stream] | None) -> Iterator[Frame]:
        """Frames that are now ready; None: no more packets."""
        if packet is not None:
            self._ordinal += 1
            packet.opaque = self._ordinal
            if packet.is_corrupt:
                self._warnings.add("corrupt packet", "the file holds damaged video packets", damage=True)
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
            self._warnings.add("decode", f"video packets cannot be decoded ({_reason(error)})", damage=True)
            self._losses.decode_failed()
            return
        for video in decoded:
            ordinal = video.opaque if isinstance(video.opaque, int) else self._ordinal
            if self._losses.leaves_out(ordinal, video.is_corrupt):
                if self._since is None:
                    said = "pictures before the first key frame cannot be decoded and are dropped"
                    self._warnings.add("leading", said, damage=True)
                    self.damaged += 1 / self.rate
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
            self.damaged += Fraction(until - pts) * self.time_base
        self._end = until
        return frame

    def _frame(self, video: av.VideoFrame, ordinal: int) -> Frame:
        trusted = self._losses.is_trusted(ordinal, video.key_frame, video.is_corrupt)
        if self.picture is None:
            self._inspect_first(video)
        pts = self._pts(video)
        if not trusted and (self._since is None or pts >= self._since):
            self._warnings.add("untrusted", "frames that may be affected by damage are masked whole", damage=True)
        duration = video.duration
        video = self._fitted(video)
        video.pts, video.time_base, video.duration = pts, self.time_base, duration
        frame = Frame(self._index, video, float(pts * self.time_base), self.orientation, trusted)
        self._index += 1
        return frame

    def _pts(self, video: av.VideoFrame) -> int:
        if not is_plausible(video.duration, self.time_base):
            video.duration = 0
        given = video.pts
        if given is not None and not is_plausible(given, self.time_base):
            self._warnings.add(
                "absurd", "some frames have implausible time stamps; they are derived from their neighbours"
            )
            return self._stamps.fill(None, None, 0)
        if given is None:
            self._warnings.add("no pts", "some frames have no time stamp; it is derived from their neighbours")
            return self._stamps.fill(None, video.dts, video.duration)
        base = self.time_base
        offset = self._continuity.offset(self._video.index, given * base, video.duration * base)
        if offset != self._clock_offset:
            self._clock_offset = offset
            self._warnings.add(
                "restart", "time stamps restart in the middle of the file; the copy continues them instead"
            )
        given += round(offset / base)
        pts = self._stamps.fill(given, None, video.duration)
        if pts != given:
            self._warnings.add("backwards", "time stamps of some frames run backwards; they are held instead")
        return pts

    def _inspect_first(self, video: av.VideoFrame) -> None:
        self._limit.check(self._path, video.width, video.height)
        for item in side_data(video):
            if item.type is SideDataType.DISPLAYMATRIX:
                self.matrix = parse_matrix(bytes(item))
                self.orientation = orientation_of(self.matrix)
        self.in_pictures = items_in_pictures(video)
        warn_about_alpha(video, self._warnings)
        name = video.format.name
        target = closest_supported(name)
        if target != name:
            self._warnings.add("format", f"pictures are converted from {name} to {target}")
        context, rgb = self._video.codec_context, video.format.is_rgb
        self.picture = PictureFormat(
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
        form = self.picture
        assert form is not None
        if (video.width, video.height) != (form.width, form.height):
            self._warnings.add(
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
        missing = (self._claimed_end - self._end) * self.time_base
        if missing > max(_SHORT_SECONDS, _SHORT_SHARE * float(self._claimed_end * self.time_base)):
            said = f"the video ends {float(missing):.1f} s earlier than its header says; the file may be truncated"
            self._warnings.add("short", said, damage=True)
            self.damaged += missing


def _reason(error: FFmpegError) -> str:
    return (error.strerror or "unknown error").lower()
