"""One recorded file while it is being written."""

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
"""FFmpeg's names."""


class SegmentError(Exception):
    """The file cannot be made or written to; the text says why. What was complete in it is kept."""


class AudioError(SegmentError):
    """The file cannot be made with this sound; without it, perhaps."""


class _File:
    """What FFmpeg writes to. Python's own writing, for PyAV's would hold the GIL while a disk is slow."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self.end = 0
        self.error: OSError | None = None
        self._at = 0

    def write(self, data: bytes) -> int:
        """All of it: FFmpeg takes a short write for a whole one."""
        rest = memoryview(data)
        while rest and self.error is None:
            try:
                count = os.pwrite(self.fd, rest, self._at)
            except OSError as error:
                # From here on nothing is written: FFmpeg's trailer would only add to the damage.
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
    """Writes packets, the first of them a key frame, to a new file that can be played at any moment.

    What was written up to the last fragment (mp4) or cluster (mkv), of `fragment` seconds each, survives the process.
    pts count from the first packet's. With `sound` the file has room for sound of that format. Raises FileExistsError
    when there is such a file, SegmentError, and AudioError.
    """

    def __init__(
        self,
        path: Path,
        first: VideoPacket,
        container: ContainerName,
        fragment: float,
        sound: AudioFormat | None = None,
    ) -> None:
        if not first.keyframe:
            raise ValueError("a segment begins with a key frame")
        self.path, self.format, self.sound = path, first.format, sound
        self._first_pts = first.pts
        self._complete = 0  # bytes that end with a whole fragment
        self._header = 0
        self._taken = 0
        self._sound_stream: AudioStream | None = None
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
        """Bytes in the file, or on their way."""
        return max(self._file.end, self._taken)

    @property
    def begun(self) -> bool:
        """Whether pictures have reached the disk."""
        return self._complete > self._header > 0

    @property
    def removed(self) -> bool:
        """Whether someone deleted the file, so that what is written to it is lost."""
        try:
            return os.fstat(self._file.fd).st_nlink == 0
        except OSError:
            # A network disk that has forgotten the file.
            return True

    def seconds(self, pts: int) -> float:
        """Time from the segment's start to `pts`."""
        return float((pts - self._first_pts) * TIME_BASE)

    def add(self, packet: VideoPacket) -> None:
        """Write a packet of the segment's own format. Raises SegmentError; then the segment is closed."""
        self._mux(self._stream, packet.data, packet.pts, packet.duration, packet.keyframe)

    def add_sound(self, packet: AudioPacket) -> None:
        """Write sound; what is of another format or from before the first picture is left out. Raises as `add` does."""
        if self._sound_stream is not None and packet.format == self.sound and packet.pts >= self._first_pts:
            self._mux(self._sound_stream, packet.data, packet.pts, packet.duration, True)

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
        """Write what is still held, and wait until the disk has it. Raises SegmentError; then the tail is missing."""
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
        if self.sound is not None:
            # No stream waits for the other; sound that begins late keeps its time.
            options |= {"max_interleave_delta": "1", "avoid_negative_ts": "disabled"}
            if container == "mp4":
                options["movflags"] += "+frag_discont"
        # Bit-exact: no name and version of the muxer in the file.
        options |= {"fflags": "+flush_packets+bitexact"}
        opened = av.open(self._file, "w", format=FORMATS[container], container_options=options)
        begin = datetime.fromtimestamp(captured, UTC)
        opened.metadata["creation_time"] = begin.isoformat(timespec="microseconds").replace("+00:00", "Z")
        video = self.format
        # Its description (avcC) is taken from the SPS and PPS of the first packet.
        self._stream = opened.add_mux_stream(
            "h264", rate=Fraction(video.rate), width=video.width, height=video.height, time_base=TIME_BASE
        )
        if self.sound is not None:
            with described(self.sound) as template:
                self._sound_stream = opened.add_stream_from_template(template)
        return opened

    def _given_up(self, error: Exception) -> SegmentError:
        kind = AudioError if self.sound is not None and not self.begun and self._file.error is None else SegmentError
        cause = self._cause(error)
        self._discard_tail()
        return kind(cause)

    def _cause(self, error: Exception) -> str:
        known = self._file.error or error
        return str(getattr(known, "strerror", None) or known)

    def _discard_tail(self) -> None:
        """Leave nothing but whole fragments, or no file at all where there is none."""
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
