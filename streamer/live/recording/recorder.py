"""Records a stream's published packets in segments that survive a crash."""

from __future__ import annotations

import logging
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.owned_thread import POLL, OwnedThread
from streamer.live.audio import AudioPacket
from streamer.live.fanout import ClosedError, Subscription
from streamer.live.packet import VideoPacket
from streamer.live.recording.audio import RecordedAudio
from streamer.live.recording.retention import StoredFile, expired
from streamer.live.recording.segment import AudioError, Segment, SegmentError
from streamer.live.stream_output import StreamOutput
from streamer.runtime.backoff import Backoff
from streamer.settings.audio import AudioPolicy
from streamer.settings.recording import RecordConfig

_LOG = logging.getLogger("veilcast.recorder")
_DEPTH = 300  # packets: how long a disk may stall, 12 s at 25 frames per second
_CHECK = 1.0  # seconds between checks that the file still exists
_SWEEP = 60.0  # seconds between checks for expired files
_RETRY = (0.5, 10.0)  # seconds, first and longest
_MEGABYTE = 1_000_000

FILE_NAME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d{1,9})?\.(mp4|mkv)")
"""Names of recorded files. A file with any other name is never deleted."""


def folder_name(stream: str) -> str:
    """The folder name for a stream's files, with unsafe characters escaped: `front/door` becomes `front%2Fdoor`.

    Different streams get different folders. Raises ValueError if the name is empty or too long.
    """
    name = re.sub(r"^\.+|[^A-Za-z0-9._-]", lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), stream)
    if not 0 < len(name) <= 200:
        raise ValueError(f"the name of a recorded stream must have 1 to 200 characters, not {len(name)}")
    return name


def check_folder(folder: Path) -> None:
    """Raises SegmentError if a stream's folder is a link: recordings must stay in the configured directory."""
    if folder.is_symlink():
        raise SegmentError("it is a symbolic link, and recordings do not follow links; remove it or record elsewhere")


class Recorder:
    """Writes what `output` publishes to `directory`/<stream>/<UTC start>.mp4, in a thread of its own.

    A file has its final name from the start, because it can be played at any moment. It is complete when it is closed
    (inotify: close_write) or when a newer one exists. If it cannot write (disk full, folder gone, no permission),
    `trouble` says so, everything else continues, and it retries until it can. `audio` is the audio policy; bad audio
    never keeps pictures from being recorded. Raises ValueError for a stream name that cannot be a folder name.
    """

    def __init__(
        self, output: StreamOutput, directory: Path, config: RecordConfig, audio: AudioPolicy = "drop"
    ) -> None:
        self.folder = directory / folder_name(output.name)
        self._output, self._config = output, config
        self._thread = OwnedThread(f"veilcast-record-{output.name}", self._run)
        self._subscription: Subscription[VideoPacket] | None = None
        self._audio = RecordedAudio(output, audio, config.container)
        self._segment: Segment | None = None
        self._key_requested = False
        self._trouble: str | None = None
        self._lost = 0
        self._backoff = Backoff(*_RETRY)
        self._retry_at = 0.0
        self._check_at = self._sweep_at = 0.0

    @property
    def drops(self) -> int:
        """Packets that were not recorded because the disk was too slow or could not be written to."""
        return self._lost + (0 if self._subscription is None else self._subscription.dropped)

    @property
    def audio_drops(self) -> int:
        """Audio packets lost because this recorder lagged."""
        return self._audio.drops

    @property
    def trouble(self) -> str | None:
        """Why nothing is being recorded, or None."""
        if self._thread.error is not None:
            return f"the recorder failed: {type(self._thread.error).__name__}: {self._thread.error}"
        return self._trouble

    @property
    def writing(self) -> Path | None:
        """The file being written, or None."""
        segment = self._segment
        return segment.path if segment else None

    def start(self) -> None:
        """Start recording at the next key frame."""
        self._audio.start()
        self._subscription = self._output.packets.subscribe("record", _DEPTH)
        self._thread.start()

    def close(self, timeout: float = 5.0) -> bool:
        """Write what was published so far and finish the file; False if that took longer than `timeout` seconds."""
        if self._subscription is not None:
            self._subscription.close()
        return self._thread.close(timeout)

    def _run(self) -> None:
        assert self._subscription is not None
        try:
            while True:
                # `close` ends the subscription, not this loop: ClosedError arrives after everything that was queued.
                packet = self._subscription.get(POLL)
                now = time.monotonic()
                if self._thread.stopping.is_set():
                    self._subscription.close()
                if packet is not None:
                    self._take(packet, now)
                self._maintain(now)
        except ClosedError:
            pass
        finally:
            self._audio.close()
            self._write_rest_of_audio()
            self._finish()

    def _take(self, packet: VideoPacket, now: float) -> None:
        audio = self._audio.take_before(packet.pts)
        try:
            if self._segment is not None:
                self._add(self._segment, audio)
            if self._segment is not None and self._is_over(self._segment, packet):
                self._finish()
            if self._segment is None and packet.keyframe and now >= self._retry_at:
                self._segment = self._begun(packet)
                self._sweep_at = now
            elif self._segment is not None:
                self._segment.add(packet)
            else:
                self._lost += 1
        except (SegmentError, OSError) as error:
            if isinstance(error, AudioError) and self._audio.format is not None:
                self._audio.refuse(self._audio.format, str(error))
            # The segment has closed itself; what it could not write is lost.
            self._segment = None
            self._fail(str(error), now)
        if self._trouble and self._segment is not None and self._segment.begun:
            _LOG.info("recording again", extra={"stream": self._output.name, "file": self._segment.path.name})
            self._trouble = None
            self._backoff.reset()

    def _is_over(self, segment: Segment, packet: VideoPacket) -> bool:
        if packet.format is not segment.format and packet.format != segment.format:
            return True
        config = self._config
        long = 0 < config.segment_seconds <= segment.seconds(packet.pts)
        large = 0 < config.segment_mb * _MEGABYTE <= segment.size
        # Audio in a new format needs a new file, which has to start at a key frame.
        other = self._audio.format is not None and self._audio.format != segment.audio
        due = long or large or other
        if due and not packet.keyframe and not self._key_requested:
            # Key frames may be far apart, so request one.
            self._key_requested = True
            self._output.packets.request_key()
        return packet.keyframe and due

    def _begun(self, first: VideoPacket) -> Segment:
        check_folder(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        name = datetime.fromtimestamp(first.captured, UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        config, count = self._config, 0
        self._key_requested = False
        while True:
            path = self.folder / f"{name}{f'-{count}' if count else ''}.{config.container}"
            try:
                segment = Segment(path, first, config.container, config.fragment_seconds, self._audio.format)
            except AudioError as error:
                if self._audio.format is None:
                    raise
                self._audio.refuse(self._audio.format, str(error))
                continue
            except FileExistsError:
                # Two segments within a second, or the clock went back.
                count += 1
                continue
            _LOG.info("segment started", extra={"stream": self._output.name, "file": path.name})
            return segment

    def _add(self, segment: Segment, audio: list[AudioPacket]) -> None:
        for packet in audio:
            segment.add_audio(packet)

    def _write_rest_of_audio(self) -> None:
        if self._segment is not None:
            try:
                self._add(self._segment, self._audio.take_rest())
            except (SegmentError, OSError) as error:
                self._segment = None
                self._fail(str(error), time.monotonic())

    def _finish(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            except SegmentError as error:
                self._fail(str(error), time.monotonic())

    def _fail(self, cause: str, now: float) -> None:
        self._trouble = f"cannot record to {self.folder}: {cause}"
        _LOG.warning(self._trouble, extra={"stream": self._output.name})
        self._retry_at = now + self._backoff.next()
        # The file that just ended counts towards the limits now: a sweep may make room for the next one.
        self._sweep_at = now
        self._lost += 1

    def _maintain(self, now: float) -> None:
        if now >= self._check_at:
            self._check_at = now + _CHECK
            if self._segment is not None and self._segment.removed:
                self._finish()
                self._fail("the file was removed", now)
            elif self._segment is None and now >= self._retry_at:
                self._output.packets.request_key()
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP
            self._sweep()

    def _sweep(self) -> None:
        config = self._config
        if config.keep_hours is None and config.keep_mb is None:
            return
        try:
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return  # missing, a link, or unreadable: the next write reports why
        try:
            self._delete_expired(folder, config)
        finally:
            os.close(folder)

    def _delete_expired(self, folder: int, config: RecordConfig) -> None:
        """Delete through the open folder, not its path, so that a folder swapped in meanwhile is never touched."""
        names = expired(
            _stored(folder),
            self._segment.path.name if self._segment else None,
            time.time(),
            None if config.keep_hours is None else config.keep_hours * 3600,
            None if config.keep_mb is None else round(config.keep_mb * _MEGABYTE),
        )
        for name in names:
            try:
                os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                _LOG.warning(f"cannot delete {name}: {error.strerror}", extra={"stream": self._output.name})


def _stored(folder: int) -> list[StoredFile]:
    files = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if FILE_NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    files.append(StoredFile(entry.name, status.st_size, status.st_mtime))
    except OSError:
        # Unreadable: the next write reports why.
        return []
    return files
