"""The clocks of a live stream: for published pictures, for masks, for audio. Arithmetic only."""

from __future__ import annotations

from collections import deque
from typing import Final

from streamer.live.audio import AudioPacket, LiveAudio
from streamer.live.packet import CLOCK

_FOLLOW = 0.02  # share of the difference between the two clocks that each picture corrects
_JUMP = 0.5  # seconds of difference that are not jitter: the source's clock was reset


class PtsClock:
    """Strictly increasing pts in ticks of 1/90000 s, counted from the first picture.

    They follow the source's timestamps, which hides network jitter. Pictures without timestamps, and slates, are
    stamped by arrival time.
    """

    def __init__(self) -> None:
        self._start: float | None = None
        self._offset: float | None = None
        self._last = -1

    def stamp(self, arrived: float, source_time: float | None = None) -> int:
        """The pts of a picture with timestamp `source_time` that arrived at `arrived` (monotonic), both in seconds."""
        if self._start is None:
            self._start = arrived
        at = arrived
        if source_time is None:
            self._offset = None
        else:
            if self._offset is None or abs(source_time + self._offset - arrived) > _JUMP:
                self._offset = arrived - source_time
            self._offset += _FOLLOW * (arrived - source_time - self._offset)
            at = source_time + self._offset
        self._last = max(self._last + 1, round((at - self._start) * CLOCK))
        return self._last


_SLACK = 0.06  # seconds of network jitter that are tolerated
_LONGEST = 5.0  # seconds; a longer step between timestamps is not believed


class MaskClock:
    """Time in which a face may have moved, in seconds since the first picture.

    The step between two pictures is the source's timestamp difference or the time between their arrivals, whichever is
    longer. So a burst after a stall keeps the spacing it was captured with, and timestamps that lag, stand still or run
    backwards (MJPEG over HTTP has invented ones) never make a mask look younger than it is, except by `_SLACK`.
    """

    def __init__(self) -> None:
        self._time = 0.0
        self._arrived: float | None = None
        self._source: float | None = None
        self._ahead = 0.0

    def tick(self, arrived: float, source_time: float | None) -> float:
        """The time of the next picture. Both arguments are in seconds; `arrived` is on a monotonic clock."""
        if self._arrived is not None:
            passed = max(0.0, arrived - self._arrived)
            claimed = passed
            if source_time is not None and self._source is not None and 0 < source_time - self._source < _LONGEST:
                claimed = source_time - self._source
            step = max(claimed, passed - self._ahead)
            self._ahead = min(_SLACK, max(0.0, self._ahead + step - passed))
            self._time += step
        self._arrived, self._source = arrived, source_time
        return self._time


_HELD: Final = 300  # packets that may wait for the first picture of their connection
_AUDIO_FOLLOW: Final = 0.05  # share of the difference from the pictures' clock that each packet corrects
_AUDIO_JUMP: Final = 0.04  # seconds of difference that are not jitter: audio is missing, or a clock was reset
_FAR: Final = 5.0  # seconds from the newest picture beyond which a timestamp is not believed


class AudioClock:
    """Gives audio packets the pts of the pictures with the same source time.

    Packets follow one another without gaps as long as they stay within 40 ms of their pictures: the pictures' clock
    follows network jitter slightly, which would be audible. Audio is dropped if it belongs to another connection than
    the newest picture, is older than that connection's first picture, or comes while there are no pictures.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._connection: int | None = None
        self._offset: float | None = None  # seconds from a source time to the published one; None: no pictures
        self._newest = 0.0
        self._floor = 0
        self._held: deque[LiveAudio] = deque()
        self._last = -1
        self._next: float | None = None

    def picture(self, connection: int, source_time: float | None, pts: int) -> None:
        """A picture was published with this pts."""
        if connection != self._connection or self._offset is None:
            self._connection, self._floor, self._next = connection, pts, None
        self._offset = None if source_time is None else pts / CLOCK - source_time
        self._newest = pts / CLOCK

    def offline(self) -> None:
        """The source is offline: drop audio until the next picture."""
        self._offset = None

    def add(self, audio: LiveAudio) -> list[AudioPacket]:
        """Add a packet. Returns the packets that can be published now, in order."""
        if len(self._held) >= _HELD:
            self._held.popleft()
            self.dropped += 1
        self._held.append(audio)
        return self.ready()

    def ready(self) -> list[AudioPacket]:
        """Packets that no longer have to wait for a picture."""
        packets = []
        while self._held:
            audio = self._held[0]
            newer = self._connection is None or audio.connection > self._connection
            if newer or (audio.connection == self._connection and self._offset is None):
                break
            self._held.popleft()
            packet = self._stamped(audio)
            if packet is None:
                self.dropped += 1
            else:
                packets.append(packet)
        return packets

    def _stamped(self, audio: LiveAudio) -> AudioPacket | None:
        if self._offset is None or audio.connection != self._connection:
            return None
        at = audio.source_time + self._offset
        if abs(at - self._newest) > _FAR:
            return None
        if self._next is not None and abs(at - self._next) < _AUDIO_JUMP:
            at = self._next + _AUDIO_FOLLOW * (at - self._next)
        pts = round(at * CLOCK)
        if pts < self._floor or pts <= self._last:
            return None
        self._last = pts
        self._next = at + audio.duration if audio.duration > 0 else None
        return AudioPacket(audio.data, pts, round(audio.duration * CLOCK), audio.connection, audio.format)
