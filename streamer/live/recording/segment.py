"""One recorded file that is being written."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from streamer.live.audio import AudioFormat, AudioPacket, described
from streamer.live.packet import TIME_BASE, VideoPacket
from streamer.settings.recording import ContainerName

FORMATS: Final = {"mp4": "mp4", "mkv": "matroska"}
"""FFmpeg's muxer names."""


class SegmentError(Exception):
    """The file cannot be created or written; the text says why. Complete fragments in it are kept."""


class AudioError(SegmentError):
    """The file cannot be created with this audio; it may work without."""


class _File:
    """The file object that FFmpeg writes to. It writes from Python, because PyAV would hold the GIL on a slow disk."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self.end = 0
        self.error: OSError | None = None
        self._at = 0

    def write(self, data: bytes) -> int:
        """Write all of `data`: FFmpeg does not check for short writes."""
        rest = memoryview(data)
        while rest and self.error is None:
            try:
                count = os.pwrite(self.fd, rest, self._at)
            except OSError as error:
                # Write nothing from now on: FFmpeg's trailer would only do more damage.
                self.error = error
                raise
            rest = rest[count:]
            self._at += count
            self.end = max(self.end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        """As `io` does."""
        self._at = offset + (0, self._at, self.end)[whence]
        return self._at

    def tell(self) -> int:
        """As `io` does."""
        return self._at


class Segment:
    """Writes packets, starting with a key frame, to a new file that can be played at any moment.

    Everything up to the last fragment (mp4) or cluster (mkv), of `fragment` seconds each, survives a crash. pts are
    relative to the first packet. With `audio`, the file gets an audio track of that format. Raises FileExistsError if
    the file exists, SegmentError if it cannot be written, AudioError if that may be due to the audio.
    """

    def __init__(
        self,
        path: Path,
        first: VideoPacket,
        container: ContainerName,
        fragment: float,
        audio: AudioFormat | None = None,
    ) -> None:
        if not first.keyframe:
            raise ValueError("a segment begins with a key frame")
        self.path, self.format, self.audio = path, first.format, audio
        self._first_pts = first.pts
        self._complete = 0  # bytes up to the end of the last complete fragment
        self._header = 0
        self._taken = 0
        self._audio_stream: AudioStream | None = None
        try:
            self._file = _File(path)
        except FileExistsError:
            raise
        except OSError as error:
            raise SegmentError(str(error.strerror or error)) from error
        try:
            self._container = self._opened(container, fragment, first.captured)
        except (OSError, av.FFmpegError, ValueError) as error:
            raise self._given_up(error) from error
        self.add(first)

    @property
    def size(self) -> int:
        """Bytes written, or waiting to be written."""
        return max(self._file.end, self._taken)

    @property
    def begun(self) -> bool:
        """Whether pictures have reached the disk."""
        return self._complete > self._header > 0

    @property
    def removed(self) -> bool:
        """Whether the file was deleted, so that further writes would be lost."""
        try:
            return os.fstat(self._file.fd).st_nlink == 0
        except OSError:
            # A network file system that no longer knows the file.
            return True

    def seconds(self, pts: int) -> float:
        """Seconds from the segment's start to `pts`."""
        return float((pts - self._first_pts) * TIME_BASE)

    def add(self, packet: VideoPacket) -> None:
        """Write a packet of the segment's format. On SegmentError, the segment has been closed."""
        self._mux(self._stream, packet.data, packet.pts, packet.duration, packet.keyframe)

    def add_audio(self, packet: AudioPacket) -> None:
        """Write audio, unless it has another format or is older than the first picture. Raises as `add` does."""
        if self._audio_stream is not None and packet.format == self.audio and packet.pts >= self._first_pts:
            self._mux(self._audio_stream, packet.data, packet.pts, packet.duration, True)

    def _mux(self, stream: Stream, data: bytes, pts: int, duration: int, key: bool) -> None:
        mux = Packet(data)
        mux.stream = stream
        mux.time_base = TIME_BASE
        mux.pts = mux.dts = pts - self._first_pts
        mux.duration = duration
        mux.is_keyframe = key
        try:
            self._container.mux(mux)
        except (OSError, av.FFmpegError, ValueError) as error:
            raise self._given_up(error) from error
        self._taken += len(data)
        self._complete = self._file.end
        if self._header == 0:
            self._header = self._complete

    def close(self) -> None:
        """Flush everything to disk and close the file. On SegmentError, the end of the recording is missing."""
        try:
            self._container.close()
            os.fsync(self._file.fd)
        except (OSError, av.FFmpegError, ValueError) as error:
            self._discard_tail()
            raise SegmentError(self._cause(error)) from error
        os.close(self._file.fd)

    def _opened(self, container: ContainerName, fragment: float, captured: float) -> OutputContainer:
        if container == "mp4":
            options = {
                "movflags": "+frag_keyframe+empty_moov+default_base_moof",
                "frag_duration": str(round(fragment * 1e6)),
                "video_track_timescale": str(TIME_BASE.denominator),
            }
        else:
            options = {"cluster_time_limit": str(round(fragment * 1000))}
        if self.audio is not None:
            # Neither track waits for the other, and audio that starts late keeps its timestamps.
            options |= {"max_interleave_delta": "1", "avoid_negative_ts": "disabled"}
            if container == "mp4":
                options["movflags"] += "+frag_discont"
        # Bit-exact keeps the muxer's name and version out of the file.
        options |= {"fflags": "+flush_packets+bitexact"}
        opened = av.open(self._file, "w", format=FORMATS[container], container_options=options)
        begin = datetime.fromtimestamp(captured, UTC)
        opened.metadata["creation_time"] = begin.isoformat(timespec="microseconds").replace("+00:00", "Z")
        video = self.format
        # The muxer builds the avcC from the SPS and PPS of the first packet.
        self._stream = opened.add_mux_stream(
            "h264", rate=Fraction(video.rate), width=video.width, height=video.height, time_base=TIME_BASE
        )
        if self.audio is not None:
            with described(self.audio) as template:
                self._audio_stream = opened.add_stream_from_template(template)
        return opened

    def _given_up(self, error: Exception) -> SegmentError:
        kind = AudioError if self.audio is not None and not self.begun and self._file.error is None else SegmentError
        cause = self._cause(error)
        self._discard_tail()
        return kind(cause)

    def _cause(self, error: Exception) -> str:
        known = self._file.error or error
        return str(getattr(known, "strerror", None) or known)

    def _discard_tail(self) -> None:
        """Truncate the file to complete fragments, or delete it if there are none."""
        self._file.error = self._file.error or OSError("closed")
        container = getattr(self, "_container", None)
        with suppress(OSError, av.FFmpegError, ValueError):
            if container is not None:
                container.close()
        with suppress(OSError):
            os.ftruncate(self._file.fd, self._complete)
        os.close(self._file.fd)
        if not self.begun:
            with suppress(OSError):
                self.path.unlink()
