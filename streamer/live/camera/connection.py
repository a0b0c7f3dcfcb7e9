"""One open connection to a source: yields decoded pictures as they arrive."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Final, cast

import av
from av.codec.context import Flags, ThreadType
from av.container.input import InputContainer
from av.error import EOFError as EndOfStream
from av.error import (
    FFmpegError,
    HTTPError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPUnauthorizedError,
    InvalidDataError,
)
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Stream
from av.video.stream import VideoStream

from core.pictures.orientation import UPRIGHT, Orientation
from streamer.errors import InputError
from streamer.live.audio import LiveAudio
from streamer.live.camera.audio_track import LiveAudioTrack, pick_audio
from streamer.live.camera.redirects import RedirectError, resolve_redirects
from streamer.live.camera.source_time import Unwrapper
from streamer.live.camera.source_url import OpenOptions, SourceKind, SourceUrl, file_path, open_options
from streamer.live.camera.trust import LiveDamage
from streamer.media.display_matrix import orientation_of, parse_matrix
from streamer.media.frame_num import FrameNumbers
from streamer.media.input import is_still, open_input, pick_video
from streamer.media.losses import patience, strictness
from streamer.media.picture_format import side_data
from streamer.media.picture_limit import DEFAULT_LIMIT
from streamer.redact import redacted
from streamer.runtime.ffmpeg_interrupt import interruptible
from streamer.runtime.ffmpeg_log import capture, listen, reports_loss
from streamer.settings.source import SourceConfig

_NO_PICTURE: Final = 20.0  # seconds of data without a picture: longer than any usual key frame interval


class SourceError(Exception):
    """A source cannot be opened or was lost; the text is one line without credentials.

    `refused`: it rejects these credentials or this address, and retrying soon could lock the account.
    """

    def __init__(self, text: str, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


@dataclass(frozen=True, slots=True, eq=False)
class LivePicture:
    """A decoded, unmasked picture of a live source: must never be shown to anyone.

    `arrived` is when its packet arrived, in seconds of `time.monotonic()`. `trusted` is False if the decoder may have
    made up content (lost or damaged data, up to the next picture that depends on no other). `connection` counts
    connections from 1; knowledge from an older connection does not apply. `source_time` is in seconds on the source's
    clock, which may jump; None if the source has no timestamps. `video` is as decoded, in any pixel format.
    """

    video: av.VideoFrame
    arrived: float
    trusted: bool
    connection: int
    orientation: Orientation = UPRIGHT
    source_time: float | None = None


class LiveSource:
    """An open source; iterate over it for its pictures. Open, read and close it in one thread.

    Once `interrupt` is set, opening and reading end within a fraction of a second. Raises SourceError if the source
    cannot be opened, goes silent, or sends nothing that can be decoded; iteration ends when the source ends.

    `on_audio` is called with the packets of the first audio track, in the order they are sent; without it, no audio is
    requested. Bad audio never ends a connection.
    """

    def __init__(
        self,
        source: SourceUrl,
        config: SourceConfig,
        interrupt: threading.Event,
        connection: int = 1,
        on_audio: Callable[[LiveAudio], None] | None = None,
    ) -> None:
        listen()
        self._on_audio = on_audio
        self._source, self._config, self._interrupt = source, config, interrupt
        self._connection = connection
        began = time.monotonic()
        self._container = self._open(thorough=False)
        try:
            stream = self._pick_stream()
            took = time.monotonic() - began
            if stream is not None and not stream.codec_context.width and took >= 0.95 * config.open_timeout:
                # FFmpeg gave up waiting for the first picture; reading on would only repeat the wait.
                raise SourceError(f"it answers but sent nothing for {config.open_timeout:g} s")
            if stream is None and source.kind is not SourceKind.FILE:
                self._container.close()
                self._container = self._open(thorough=True)
                stream = self._pick_stream()
            if stream is None:
                raise SourceError("it sends no video that can be decoded")
            self._stream = stream
            self._context = stream.codec_context
            # No threads: frame threads add delay, and with slice threads the H.264 decoder flags no damage.
            self._context.thread_type, self._context.thread_count = ThreadType.NONE, 1
            if source.kind is not SourceKind.FILE:
                self._context.flags |= Flags.low_delay
            self._context.copy_opaque = True
            self._context.options = DEFAULT_LIMIT.codec_options | strictness(self._context.codec.canonical_name)
        except BaseException:
            self._container.close()
            raise
        self._damage = LiveDamage(patience(self._context.codec.canonical_name))
        # Only network streams: files store H.264 as avcC and lose nothing in transit.
        annex_b = source.network and self._context.name == "h264" and _is_annex_b(self._context.extradata)
        self._frame_numbers = FrameNumbers() if annex_b or self._container.format.name == "h264" else None
        self._unwrapper = Unwrapper()
        # MJPEG over HTTP has no timestamps: FFmpeg invents 25 per second, whatever the real rate.
        self._invented_times = self._container.format.name == "mpjpeg"
        self._ordinal = -1
        self._orientation = UPRIGHT
        self._base = stream.time_base or Fraction(1, 90_000)
        track = None if on_audio is None else pick_audio(self._container)
        self._audio = None if track is None else LiveAudioTrack(track, connection)

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def paced(self) -> bool:
        """Whether pictures arrive faster than real time: a recording, or segments of a live stream."""
        return (
            self._source.kind is SourceKind.FILE
            or self._container.format.name.startswith("hls")
            or (self._source.kind is SourceKind.HTTP and self._container.duration is not None)
        )

    @property
    def interval(self) -> float:
        """Seconds between pictures as stated by the source, else 1/25."""
        return float(1 / self.rate) if self.rate else 0.04

    @property
    def rate(self) -> Fraction | None:
        """Frames per second as stated by the source (not invented by FFmpeg), or None."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return rate if rate and 1 <= rate <= 1000 and not self._invented_times else None

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._container.close()

    def __iter__(self) -> Iterator[LivePicture]:
        """Yield the pictures in presentation order."""
        newest = time.monotonic()
        for packet, lossy in self._packets():
            for picture in self._decoded(packet, lossy):
                yield picture
                newest = time.monotonic()  # after the yield: the consumer may have slept
            if time.monotonic() - newest > max(_NO_PICTURE, self._config.read_timeout):
                raise SourceError(f"it sends data but no picture for {_NO_PICTURE:g} s")
        yield from self._decoded(None, False)

    def _open(self, thorough: bool) -> InputContainer:
        source, config = self._source, self._config
        if source.kind is SourceKind.FILE:
            try:
                return open_input(file_path(source))
            except InputError as error:
                raise SourceError(error.cause) from None
        began = time.monotonic()
        try:
            try:
                return self._connected(open_options(source, config, thorough, audio=self._on_audio is not None))
            except (InvalidDataError, HTTPError):
                if source.kind is not SourceKind.RTSP or self._on_audio is None:
                    raise
                # A camera may refuse to send audio; connect without it rather than have no picture.
                return self._connected(open_options(source, config, thorough))
        except FFmpegError as error:
            # Not chained: the text of FFmpeg's error quotes the address.
            failure = self._as_source_error(error, time.monotonic() - began, config.open_timeout, "no answer")
            moved = None if isinstance(error, (HTTPError, TimeoutError)) else self._redirected()
        if moved is None:
            raise failure from None
        began = time.monotonic()
        try:
            return self._connected(open_options(source, config, thorough), moved)
        except FFmpegError as error:
            raise self._as_source_error(error, time.monotonic() - began, config.open_timeout, "no answer") from None

    def _redirected(self) -> str | None:
        """The target of a redirect that FFmpeg was not allowed to follow; None if there is none."""
        if self._source.kind is not SourceKind.HTTP or self._config.redirects == "any" or self._interrupt.is_set():
            return None
        try:
            return resolve_redirects(self._source.url, self._config.open_timeout, self._interrupt)
        except RedirectError as error:
            raise SourceError(str(error), refused=True) from None

    def _connected(self, how: OpenOptions, url: str | None = None) -> InputContainer:
        with interruptible(self._interrupt):
            return av.open(
                url or self._source.url,
                "r",
                format=how.format,
                container_options=how.options,
                metadata_errors="replace",
                timeout=(self._config.open_timeout, self._source.silence(self._config)),
            )

    def _pick_stream(self) -> VideoStream | None:
        if self._source.kind is SourceKind.FILE:
            try:
                return pick_video(file_path(self._source), self._container)
            except InputError as error:
                raise SourceError(error.cause) from None
        found = [s for s in self._container.streams if isinstance(s, VideoStream) and not is_still(s)]
        contexts: list[tuple[VideoStream, object]] = [
            (s, s.codec_context) for s in found
        ]  # context is None without a decoder
        usable = [stream for stream, context in contexts if context is not None]
        return max(usable, key=lambda s: s.codec_context.width * s.codec_context.height, default=None)

    def _packets(self) -> Iterator[tuple[Packet[VideoStream], bool]]:
        """Yield video packets, each with whether FFmpeg reported a loss before it."""
        audio = self._audio
        streams = [self._stream] if audio is None else [self._stream, audio.stream]
        packets = self._container.demux(*streams)
        silence = self._source.silence(self._config)
        lossy, newest = False, time.monotonic()
        while not self._interrupt.is_set():
            began = time.monotonic()
            try:
                with interruptible(self._interrupt), capture() as log_lines:
                    packet = next(packets, None)
            except FFmpegError as error:
                if self._interrupt.is_set():
                    return
                raise self._as_source_error(error, time.monotonic() - began, silence, "nothing was sent") from None
            except IndexError:  # PyAV has no stream for this packet: its track starts only now
                packets, packet = self._container.demux(*streams), Packet()
            if packet is None:
                return
            # Keep the flag across audio packets between a loss and the damaged picture.
            lossy = lossy or reports_loss(log_lines)
            if time.monotonic() - newest >= silence and self._source.kind is not SourceKind.FILE:
                # When its read times out, FFmpeg first returns the last picture it has, old and maybe incomplete.
                raise SourceError(f"{'nothing' if audio is None else 'no picture'} was sent for {silence:g} s")
            if packet.size and audio is not None and packet.stream_index == audio.stream.index:
                self._pass_on(audio, packet)
            elif packet.size:  # an empty packet would signal the end of the stream to the decoder
                yield cast("Packet[VideoStream]", packet), lossy
                lossy, newest = False, time.monotonic()  # after the yield: the consumer may have slept

    def _pass_on(self, audio: LiveAudioTrack, packet: Packet[Stream]) -> None:
        live = audio.take(packet)
        if live is not None and self._on_audio is not None:
            self._on_audio(live)

    def _decoded(self, packet: Packet[VideoStream] | None, lossy: bool) -> Iterator[LivePicture]:
        arrived = time.monotonic()  # before decoding, which is our delay and not the camera's
        if packet is not None:
            self._ordinal += 1
            packet.opaque = self._ordinal
            gap = self._frame_numbers is not None and self._frame_numbers.gap(bytes(packet))
            self._damage.packet(self._ordinal, packet.is_keyframe, lossy or gap or packet.is_corrupt)
        try:
            with capture() as log_lines:
                frames = self._context.decode(packet)
        except EndOfStream:
            return
        except FFmpegError:
            self._damage.decode_failed(self._ordinal)
            return
        if reports_loss(log_lines):
            self._damage.decode_failed(self._ordinal)
        for video in frames:
            yield self._picture(video, arrived)

    def _picture(self, video: av.VideoFrame, arrived: float) -> LivePicture:
        ordinal = video.opaque if isinstance(video.opaque, int) else self._ordinal
        trusted = self._damage.is_trusted(ordinal, video.key_frame, video.is_corrupt)
        if video.key_frame:
            self._orientation = _orientation(video)
        pts, base = video.pts, video.time_base or self._base
        seconds = None if self._invented_times else self._unwrapper.seconds(pts, base)
        return LivePicture(video, arrived, trusted, self._connection, self._orientation, seconds)

    def _as_source_error(self, error: FFmpegError, took: float, limit: float, silent: str) -> SourceError:
        if self._interrupt.is_set():
            return SourceError("interrupted")
        if took >= 0.95 * limit or isinstance(error, TimeoutError):
            return SourceError(f"{silent} for {limit:g} s")
        if isinstance(error, HTTPUnauthorizedError):
            return SourceError("user name or password is wrong or missing (401)", refused=True)
        if isinstance(error, HTTPForbiddenError):
            return SourceError("it refuses access (403)", refused=True)
        if isinstance(error, HTTPNotFoundError):
            return SourceError("there is no stream at this address (404)")
        if isinstance(error, ConnectionRefusedError):
            return SourceError("the connection was refused: nothing is listening on this port")
        if error.errno == errno.EIO and self._source.host is not None and not _is_known(self._source.host):
            return SourceError(f"unknown host name: {self._source.host}")
        return SourceError(redacted(f"it cannot be read ({(error.strerror or 'unknown error').lower()})"))


def _is_annex_b(extradata: bytes | None) -> bool:
    """Whether NAL units have start codes, not length prefixes (avcC starts with its version, 1)."""
    return not extradata or extradata[0] == 0


def _is_known(host: str) -> bool:
    """Whether the host name resolves. Checked after a failure, since FFmpeg only reports a generic I/O error."""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True


def _orientation(video: av.VideoFrame) -> Orientation:
    for item in side_data(video):
        if item.type is SideDataType.DISPLAYMATRIX:
            return orientation_of(parse_matrix(bytes(item)))
    return UPRIGHT
