"""One recorded file while it is being written."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import av
from av.container import OutputContainer
from av.packet import Packet

from streamer.live.packet import TIME_BASE, VideoPacket

ContainerName = Literal["mp4", "mkv"]
_FORMATS: Final = {"mp4": "mp4", "mkv": "matroska"}


class SegmentError(Exception):
    """The file cannot be made or written to; the text says why. What was complete in it is kept."""


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
    pts count from the first packet's. Raises FileExistsError when there is such a file, and SegmentError.
    """

    def __init__(self, path: Path, first: VideoPacket, container: ContainerName, fragment: float) -> None:
        if not first.keyframe:
            raise ValueError("a segment begins with a key frame")
        self.path, self.format = path, first.format
        self._first_pts = first.pts
        self._complete = 0  # bytes that end with a whole fragment
        self._header = 0
        self._taken = 0
        try:
            self._file = _File(path)
        except FileExistsError:
            raise
        except OSError as error:
            raise SegmentError(str(error.strerror or error)) from error
        try:
            self._container = self._opened(container, fragment, first.captured)
        except (OSError, av.FFmpegError, ValueError) as error:
            self._discard_tail()
            raise SegmentError(self._cause(error)) from error
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
        mux = Packet(packet.data)
        mux.stream = self._stream
        mux.time_base = TIME_BASE
        mux.pts = mux.dts = packet.pts - self._first_pts
        mux.duration = packet.duration
        mux.is_keyframe = packet.keyframe
        try:
            self._container.mux(mux)
        except (OSError, av.FFmpegError, ValueError) as error:
            self._discard_tail()
            raise SegmentError(self._cause(error)) from error
        self._taken += len(packet.data)
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
        # Bit-exact: no name and version of the muxer in the file.
        options |= {"fflags": "+flush_packets+bitexact"}
        opened = av.open(self._file, "w", format=_FORMATS[container], container_options=options)
        begin = datetime.fromtimestamp(captured, UTC)
        opened.metadata["creation_time"] = begin.isoformat(timespec="microseconds").replace("+00:00", "Z")
        video = self.format
        # Its description (avcC) is taken from the SPS and PPS of the first packet.
        self._stream = opened.add_mux_stream(
            "h264", rate=Fraction(video.rate), width=video.width, height=video.height, time_base=TIME_BASE
        )
        return opened

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
