"""Writes a masked file under a hidden name and renames it only when it is complete."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from core.masked_frame import MaskedFrame
from streamer.atomic_file import Partial
from streamer.errors import InputError, OutputError
from streamer.file.audio import AudioWriter, open_writers
from streamer.file.encoder import VideoEncoder
from streamer.file.memory_plan import TooLargeError
from streamer.file.source import SourceInfo
from streamer.media.audio_track import TrackPacket
from streamer.media.timestamps import common_timescale
from streamer.settings.audio import AudioPolicy
from streamer.settings.encoder import EncoderConfig
from streamer.settings.file import DEFAULT_MEMORY_MB
from streamer.warning_log import WarningLog

_BITEXACT = 0x400  # AVFMT_FLAG_BITEXACT

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".ts": "mpegts"}
"""Supported output containers by file suffix."""


def default_output(path: Path) -> Path:
    """`meeting.mp4` -> `meeting.masked.mp4`; unsupported containers become .mkv."""
    suffix = path.suffix if path.suffix.lower() in FORMATS else ".mkv"
    return path.with_name(f"{path.stem}.masked{suffix}")


def check_target(source: Path, target: Path, overwrite: bool) -> None:
    """Raises OutputError if `target` must not or cannot be written. Call it before any work is done."""
    if target.suffix.lower() not in FORMATS:
        raise OutputError(target, f"unknown kind of output; the name must end in {', '.join(FORMATS)}")
    check_free(source, target, overwrite)


def check_free(source: Path, target: Path, overwrite: bool) -> None:
    """Raises OutputError if `target` is the input, exists already or is in no directory."""
    try:
        if not target.parent.is_dir():
            raise OutputError(target, f"the directory {target.parent} does not exist")
        if target.is_dir():
            raise OutputError(target, "is a directory")
        if target.exists() and target.samefile(source):
            raise OutputError(target, "is the input itself, which is never overwritten")
        if os.path.lexists(target) and not overwrite:
            raise OutputError(target, "exists already; --overwrite replaces it")
    except OSError as error:
        raise OutputError(target, f"cannot be written ({_reason(error)})") from error


@dataclass(frozen=True, slots=True)
class EncodedStream:
    """A video stream whose packets are made elsewhere, by an encoder with the same settings.

    `header` is its codec configuration if that is another one than the encoder's; `parameter_set` the number of the
    encoder's own.
    """

    header: bytes | None = None
    parameter_set: int | None = None


class MaskedFile:
    """Writes one masked copy; a context manager.

    Leaving the `with` block normally completes the file and gives it its name. Leaving it with an exception, Ctrl-C
    included, removes what was written. `shift` seconds are added to all time stamps. `encoded`: its pictures
    come as packets of this stream. Raises OutputError if the target
    cannot be written or cannot hold the streams, and InputError if the pictures do not fit into `memory_mb`.
    """

    def __init__(
        self,
        target: Path,
        source: SourceInfo,
        *,
        encoder: EncoderConfig | None = None,
        audio: AudioPolicy = "keep",
        overwrite: bool = False,
        keep_metadata: bool = False,
        warnings: WarningLog | None = None,
        memory_mb: int = DEFAULT_MEMORY_MB,
        shift: Fraction = Fraction(0),
        encoded: EncodedStream | None = None,
    ) -> None:
        check_target(source.path, target, overwrite)
        self.target = target
        self.warnings = warnings if warnings is not None else WarningLog()
        self._overwrite = overwrite
        self._memory_mb = memory_mb
        self._shift = shift
        self._encoded = encoded
        try:
            self._partial = Partial(target)
        except OSError as error:
            raise OutputError(target, _why_unwritable(error)) from error
        self._container: OutputContainer | None = None
        try:
            self._container = self._open(source, encoder or EncoderConfig(), audio, keep_metadata)
        except BaseException:
            self._discard()
            raise

    def _open(
        self, source: SourceInfo, config: EncoderConfig, audio: AudioPolicy, keep_metadata: bool
    ) -> OutputContainer:
        kind = FORMATS[self.target.suffix.lower()]
        self._milliseconds = kind == "matroska"
        if kind != "mpegts" and source.start < 0:
            before = -source.start * source.time_base
            self._shift += before
            self.warnings.add(
                "negative",
                f"{self.target.suffix} cannot start before 0: everything is shifted by {float(before):.3f} s",
            )
        bases = [source.time_base, *(track.stream.time_base or Fraction(1, 1000) for track in source.audio_tracks)]
        try:
            container = av.open(str(self._partial.path.absolute()), "w", kind, container_options=_options(kind, bases))
            self._container = container
            container.flags |= _BITEXACT  # no random ids, no creation date, no muxer name
            if keep_metadata:
                container.metadata.update(source.harmless_tags)
            self._video = self._add_video(container, source, config)
            if source.display_matrix is not None:
                self._video.set_display_matrix(source.display_matrix)
                if kind == "mpegts":
                    self.warnings.add("rotation", "MPEG-TS cannot store rotation: the copy will not be shown upright")
            self._audio_writers: dict[int, AudioWriter] = open_writers(
                container, self.target, source.audio_tracks, audio, self.warnings
            )
            container.start_encoding()  # that it can hold the audio has been checked already
        except TooLargeError as error:
            raise InputError(source.path, str(error)) from error
        except (FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                raise OutputError(self.target, _why_unwritable(error)) from error
            said = _reason(error) if isinstance(error, FFmpegError) else str(error)
            raise OutputError(self.target, f"cannot hold this video ({said})") from error
        return container

    def _add_video(self, container: OutputContainer, source: SourceInfo, config: EncoderConfig) -> VideoStream:
        given = self._encoded
        self.encoder = VideoEncoder(
            container,
            source.picture,
            source.time_base,
            source.rate,
            config,
            self.warnings,
            self._memory_mb,
            beside=given is not None,
            parameter_set=None if given is None else given.parameter_set,
        )
        stream = self.encoder.stream
        if given is not None and given.header is not None and self.encoder.parameter_sets:  # which opens it
            stream.codec_context.extradata = given.header
        return stream

    def __enter__(self) -> MaskedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._complete()
        except BaseException:
            self._discard()
            raise

    def write_frame(self, frame: MaskedFrame) -> None:
        """Encode the next frame in presentation order. Raises OutputError if the disk is full."""
        self._mux(self._moved(self.encoder.encode(frame)))

    def write_encoded(self, packet: Packet[VideoStream]) -> None:
        """Add a picture that was encoded elsewhere, in decoding order; times in ticks of the encoder's time base."""
        packet.stream, packet.time_base = self._video, self.encoder.time_base
        self._mux(self._moved([packet]))

    def write_audio(self, audio: TrackPacket) -> None:
        """Copy, disguise or drop an audio packet according to the policy. The packet may be modified."""
        writer = self._audio_writers.get(audio.track)
        if writer is not None:
            if self._shift:
                move(audio.packet, self._shift)
            self._mux(writer.write(audio.packet))

    def _moved(self, packets: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
        for packet in packets:
            if self._shift:
                move(packet, self._shift)
            if self._milliseconds and 1000 * (packet.pts or 0) * packet.time_base % 1:
                self.warnings.add("rounding", "Matroska stores milliseconds: time stamps are rounded")
        return packets

    def _mux(self, packets: Sequence[Packet[VideoStream] | Packet[AudioStream]]) -> None:
        container = self._container
        if container is None:
            raise ValueError("the file is closed")
        try:
            for packet in packets:
                container.mux_one(packet)
        except FFmpegError as error:
            raise OutputError(self.target, self._why_not_muxed(error)) from error

    def _why_not_muxed(self, error: OSError | FFmpegError) -> str:
        if isinstance(error, ValueError) and self._audio_writers:  # not a disk error: FFmpeg rejects the data
            return (
                f"cannot hold this video or its audio ({_reason(error)}): if the audio is damaged, disguise or drop it"
            )
        return _why_unwritable(error)

    def _complete(self) -> None:
        container = self._container
        if container is None:
            raise ValueError("the file is closed")
        if self._encoded is None:
            self._mux(self._moved(self.encoder.flush()))
        for writer in self._audio_writers.values():
            self._mux(writer.flush())
        try:
            container.close()
            self._container = None
            _sync(self._partial.path)
            self._partial.publish(self._overwrite)
            with contextlib.suppress(OSError):  # not all file systems support it; the copy is in place anyway
                _sync(self.target.parent)
        except FileExistsError as error:
            raise OutputError(self.target, "appeared while the copy was being made; --overwrite replaces it") from error
        except (OSError, FFmpegError) as error:
            raise OutputError(self.target, self._why_not_muxed(error)) from error

    def _discard(self) -> None:
        if self._container is not None:
            container, self._container = self._container, None
            with contextlib.suppress(FFmpegError, OSError, ValueError):
                container.close()  # closes the file, which is deleted next
        self._partial.discard()


def move(packet: Packet[VideoStream] | Packet[AudioStream], seconds: Fraction) -> None:
    """Shift a packet's time stamps by `seconds`."""
    ticks = round(seconds / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks


def _options(kind: str, bases: list[Fraction]) -> dict[str, str]:
    if kind in ("mp4", "mov"):
        # Edit lists use the movie timescale: if it is fine enough, the start of every track is exact.
        return {"movie_timescale": str(common_timescale(bases))}
    if kind == "mpegts":
        return {"mpegts_copyts": "1", "avoid_negative_ts": "disabled"}
    return {"avoid_negative_ts": "disabled"}  # otherwise AAC priming, which lies before 0, shifts everything


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _why_unwritable(error: OSError | FFmpegError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "no permission to write there"
    return f"cannot be written ({_reason(error)})"


def _reason(error: OSError | FFmpegError) -> str:
    return (error.strerror or "unknown error").lower()
