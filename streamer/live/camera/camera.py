"""Keeps one source connected and provides its newest pictures."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from core.owned_thread import OwnedThread
from streamer.live.audio import LiveAudio
from streamer.live.camera.connection import LivePicture, LiveSource, SourceError
from streamer.live.camera.source_time import Pacer
from streamer.live.camera.source_url import SourceKind, SourceUrl, parse_source
from streamer.live.meter import Rate
from streamer.runtime.backoff import Backoff
from streamer.settings.source import SourceConfig

_DEPTH: Final = 3  # pictures that may wait for the consumer: they are large, and old ones are useless
_AUDIO_DEPTH: Final = 500  # audio packets, about ten seconds: they are small and arrive in bursts
_LOG_AGAIN = 60.0  # seconds until the same problem is logged again
_STEADY: Final = 3.0  # seconds of pictures after which the backoff is reset
_REFUSED: Final = 30.0  # seconds between attempts with refused credentials: cameras lock accounts

_log = logging.getLogger("veilcast.camera")


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One source at one moment. `since` is when `connected` last changed, in seconds of `time.time()`.

    `connected` means that pictures arrive. `reconnects` counts connections after the first, `dropped` pictures that
    were not consumed in time, `untrusted` pictures that damage may have affected. `fps_in` is measured over the last
    two seconds. `ended`: the source was a file and is at its end, except for pictures still waiting in `get`.
    """

    connected: bool = False
    since: float = 0.0
    reconnects: int = 0
    trouble: str | None = None
    """Why there are no pictures, in one line without credentials."""
    width: int = 0
    height: int = 0
    fps_in: float = 0.0
    rate: Fraction | None = None
    """Frames per second as stated by the source; None if it does not say."""
    pictures: int = 0
    dropped: int = 0
    untrusted: int = 0
    ended: bool = False


class Camera:
    """Runs the thread `veilcast-camera-NAME`, which reopens the source whenever it is lost.

    Raises SourceUrlError for an invalid address. `shown` is the address without credentials. Audio is requested from
    the source only if `audio` is set.
    """

    def __init__(self, name: str, url: str, config: SourceConfig, audio: bool = False) -> None:
        self.name = name
        self._source: SourceUrl = parse_source(url)
        self.shown = self._source.shown
        self._config = config
        self._ready = threading.Condition()
        self._pictures: deque[LivePicture] = deque()
        self._wants_audio = audio
        self._audio: deque[LiveAudio] = deque()
        self.audio_dropped = 0
        """Audio packets that were not consumed in time."""
        self._status = CameraStatus(since=time.time())
        self._rate = Rate()
        self._connections = 0
        self._pacer = Pacer()
        self._tries = 0  # failures since the last picture
        self._logged = "", 0.0  # the problem that was logged last, and when
        self._thread = OwnedThread(f"veilcast-camera-{name}", self._run)

    @property
    def status(self) -> CameraStatus:
        """The camera's current status."""
        with self._ready:
            return replace(self._status, fps_in=self._rate.per_second())

    @property
    def error(self) -> BaseException | None:
        """The unexpected error that ended the thread, or None."""
        return self._thread.error

    def start(self) -> None:
        """Start connecting."""
        self._thread.start()

    def close(self, timeout: float = 5.0) -> bool:
        """Disconnect and end the thread; False if it did not end within `timeout` seconds."""
        self._thread.stopping.set()
        with self._ready:
            self._ready.notify_all()
        return self._thread.close(timeout)

    def get(self, timeout: float) -> LivePicture | None:
        """The oldest waiting picture, or None if there is none within `timeout` seconds.

        At most three pictures wait; the oldest is dropped for a new one.
        """
        with self._ready:
            self._ready.wait_for(lambda: self._pictures or self._over, timeout)
            return self._pictures.popleft() if self._pictures else None

    def take_audio(self) -> list[LiveAudio]:
        """The audio packets received since the last call, in order; never waits."""
        with self._ready:
            packets = list(self._audio)
            self._audio.clear()
        return packets

    @property
    def _over(self) -> bool:
        return self._thread.stopping.is_set() or self._status.ended

    def _run(self) -> None:
        backoff = Backoff(self._config.backoff_first, self._config.backoff_longest)
        while not self._thread.stopping.is_set():
            began, refused, before = time.monotonic(), False, self._status.pictures
            try:
                self._play()
                if self._source.kind is SourceKind.FILE and self._status.pictures > before:
                    if self._config.loop:
                        self._pacer.restart()
                        continue
                    self._finish()
                    return
                trouble = "the source ended the stream"
            except SourceError as error:
                trouble, refused = str(error), error.refused
            except Exception as error:  # noqa: BLE001 - whatever a camera does to FFmpeg, the next attempt may work
                trouble = f"reading it failed ({type(error).__name__})"
            if self._thread.stopping.is_set():
                return
            if self._status.connected and time.monotonic() - began > _STEADY:
                backoff.reset()
            self._lost(trouble)
            if self._source.kind is SourceKind.FILE and not self._status.pictures:
                self._finish()  # the file is missing or not a video: retrying does not help
                return
            self._thread.stopping.wait(_REFUSED if refused else backoff.next())

    def _play(self) -> None:
        """One connection, until it ends or fails."""
        interrupt = self._thread.stopping
        on_audio = self._queue_audio if self._wants_audio else None
        with LiveSource(self._source, self._config, interrupt, self._connections + 1, on_audio) as source:
            self._connections += 1
            paced, interval = source.paced, source.interval
            with self._ready:
                self._status = replace(self._status, rate=source.rate)
            for picture in source:
                if paced:
                    now = time.monotonic()
                    due = self._pacer.due(picture.source_time, interval, now)
                    interrupt.wait(max(0.0, due - now))
                    picture = replace(picture, arrived=time.monotonic())
                if interrupt.is_set():
                    return
                self._deliver(picture)

    def _deliver(self, picture: LivePicture) -> None:
        with self._ready:
            status = self._status
            if not status.connected:
                status = replace(status, connected=True, since=time.time(), trouble=None)
                self._logged, self._tries = ("", 0.0), 0
                _log.info("connected", extra={"stream": self.name, "source": self.shown})
            overflow = len(self._pictures) >= _DEPTH
            if overflow:
                self._pictures.popleft()
            self._pictures.append(picture)
            self._rate.count()
            self._status = replace(
                status,
                width=picture.video.width,
                height=picture.video.height,
                pictures=status.pictures + 1,
                reconnects=self._reconnects(),
                dropped=status.dropped + overflow,
                untrusted=status.untrusted + (not picture.trusted),
            )
            self._ready.notify_all()

    def _queue_audio(self, audio: LiveAudio) -> None:
        with self._ready:
            if len(self._audio) >= _AUDIO_DEPTH:
                self._audio.popleft()
                self.audio_dropped += 1
            self._audio.append(audio)

    def _reconnects(self) -> int:
        # To the consumer a looped file is a new connection, but nothing was lost.
        return 0 if self._source.kind is SourceKind.FILE else max(0, self._connections - 1)

    def _lost(self, trouble: str) -> None:
        self._tries += 1
        text, when = self._logged
        if trouble != text or time.monotonic() - when >= _LOG_AGAIN:
            self._logged = trouble, time.monotonic()
            extra = {"stream": self.name, "source": self.shown, "tries": self._tries}
            _log.warning("no pictures: %s", trouble, extra=extra)
        with self._ready:
            since = time.time() if self._status.connected else self._status.since
            self._status = replace(
                self._status, connected=False, since=since, trouble=trouble, reconnects=self._reconnects()
            )

    def _finish(self) -> None:
        with self._ready:
            self._status = replace(self._status, connected=False, since=time.time(), ended=True)
            self._ready.notify_all()
