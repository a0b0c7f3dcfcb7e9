"""Reads a video file in one pass: decoded frames and audio packets, in stored order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from core.frame import Frame
from core.pictures.orientation import Orientation
from streamer.errors import InputError
from streamer.file.entry import Entry, content_hash, packets_from
from streamer.file.inspection import warn_about_container
from streamer.file.picture_decoder import PictureDecoder
from streamer.media.audio_track import AudioTrack, TrackPacket
from streamer.media.display_matrix import Matrix
from streamer.media.input import open_input, pick_video
from streamer.media.metadata import harmless_tags, stripped_items
from streamer.media.picture_format import PictureFormat
from streamer.media.picture_limit import DEFAULT_LIMIT, PictureLimit
from streamer.media.timestamps import Continuity, is_plausible
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
        self._path, self._limit = path, limit
        self._container = open_input(path, limit)
        try:
            self._video = pick_video(path, self._container, limit)
            warn_about_container(self._container, self._video, self.warnings)
            most = threads or min(_MAX_DECODER_THREADS, len(os.sched_getaffinity(0)))
            self._continuity = Continuity()
            self._decoded: dict[int, bytes] = {}
            self._decoder = PictureDecoder(path, self._video, most, self.warnings, limit, self._continuity)
            self._audio_tracks = self._pick_audio()
            self._items = self._read()
            self._ahead = self._read_to_first_frame()
            self.info = self._describe()
        except BaseException:
            self._release_file()
            raise

    @property
    def decoded(self) -> Mapping[int, bytes]:
        """A hash of every packet that was decoded since `jump`, by its pts: a file may change while it is read."""
        return self._decoded

    @property
    def video(self) -> VideoStream:
        """The video track, for what has to be made like it."""
        return self._video

    @property
    def damaged(self) -> Fraction:
        """Seconds so far of missing or untrusted pictures."""
        return self._decoder.damaged

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

    def jump(self, entry: Entry, since: int) -> None:
        """Iterate over the frames from a key frame on, instead of over all items. Only before iterating.

        Frames before the pts `since` are not to be used, and nothing is said of what is wrong with them. Iterating
        raises EntryError if the packet cannot be found again.
        """
        self._items.close()
        self._ahead.clear()
        self._decoder.restart(since)
        self._continuity.restart()  # going back is no restart of the file's own clock
        self._items = self._read_from(entry)

    def packets(self, entry: Entry) -> Iterator[Packet[VideoStream]]:
        """The video's packets from this one on, instead of all items. Raises EntryError if it cannot be found again."""
        self._items.close()
        self._ahead.clear()
        for packet in packets_from(self._container, self._video, entry, self._packets):
            yield cast("Packet[VideoStream]", packet)

    def sound(self) -> Iterator[TrackPacket]:
        """The audio packets alone, from the start, instead of all items."""
        self._items.close()
        while self._ahead:
            item = self._ahead.popleft()
            if isinstance(item, TrackPacket):
                yield item
        tracks = {track.stream.index: track.number for track in self._audio_tracks}
        streams = [track.stream for track in self._audio_tracks]
        for packet in self._packets(streams) if streams else ():
            self._continue_clock(packet)
            yield TrackPacket(tracks[packet.stream_index], cast("Packet[AudioStream]", packet))

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
        decoder = self._decoder
        assert decoder.picture is not None
        duration = self._container.duration
        kept = {track.stream.index for track in self._audio_tracks}
        return SourceInfo(
            path=self._path,
            container=self._container.format.name,
            video_codec=self._video.codec_context.codec.canonical_name,
            picture=decoder.picture,
            time_base=decoder.time_base,
            rate=decoder.rate,
            orientation=decoder.orientation,
            display_matrix=decoder.matrix,
            audio_tracks=self._audio_tracks,
            stripped=tuple(dict.fromkeys((*stripped_items(self._container, self._video, kept), *decoder.in_pictures))),
            harmless_tags=harmless_tags(self._container),
            frames=self._video.frames or (round(duration / 1_000_000 * decoder.rate) if duration else None),
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
                yield from self._decoder.decode(packet)
            else:
                self._continue_clock(packet)
                yield TrackPacket(tracks[packet.stream_index], cast("Packet[AudioStream]", packet))
        yield from self._decoder.finish()

    def _read_from(self, entry: Entry) -> Generator[Frame | TrackPacket, None, None]:
        for packet in packets_from(self._container, self._video, entry, self._packets):
            if packet.pts is not None:
                self._decoded[packet.pts] = content_hash(bytes(packet))
            yield from self._decoder.decode(packet)
        yield from self._decoder.finish()

    def _packets(self, streams: Sequence[Stream]) -> Iterator[Packet[Stream]]:
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
                self._decoder.read_failed()
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


def _reason(error: FFmpegError) -> str:
    return (error.strerror or "unknown error").lower()
