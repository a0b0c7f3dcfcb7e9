"""Puts sound on the clock of the published pictures. Arithmetic only."""

from __future__ import annotations

from collections import deque
from typing import Final

from streamer.live.camera.audio import AudioPacket, LiveAudio
from streamer.live.packet import CLOCK

_HELD: Final = 300  # packets that wait for the first picture of their connection
_FOLLOW: Final = 0.05  # share of a difference from the pictures' clock that each packet makes up for
_JUMP: Final = 0.04  # seconds of difference that are no jitter: sound is missing, or a clock was set anew
_FAR: Final = 5.0  # seconds from the newest picture at which time stamps make no sense


class AudioClock:
    """Gives sound the pts of the pictures with the same source time.

    Packets follow one another without a gap as long as that keeps them within 40 ms of their pictures: the clock of
    the pictures follows the network's jitter a little, and sound that did so could be heard to. Sound of another
    connection than the newest picture's, from before its first one, or without pictures is left out.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._connection: int | None = None
        self._offset: float | None = None  # seconds from a source time to the published one; None: no pictures
        self._newest = 0.0
        self._floor = 0
        self._held: deque[LiveAudio] = deque()
        self._last = -1
        self._next: float | None = None

    def picture(self, connection: int, source_time: float | None, pts: int) -> None:
        """A picture was given its pts."""
        if connection != self._connection or self._offset is None:
            self._connection, self._floor, self._next = connection, pts, None
        self._offset = None if source_time is None else pts / CLOCK - source_time
        self._newest = pts / CLOCK

    def away(self) -> None:
        """There are no pictures: nothing is heard either, until there is one again."""
        self._offset = None

    def sound(self, sound: LiveAudio) -> list[AudioPacket]:
        """The packets that can be published now, in order."""
        if len(self._held) >= _HELD:
            self._held.popleft()
            self.left_out += 1
        self._held.append(sound)
        return self.ready()

    def ready(self) -> list[AudioPacket]:
        """Packets that waited for a picture and need not any more."""
        packets = []
        while self._held:
            sound = self._held[0]
            newer = self._connection is None or sound.connection > self._connection
            if newer or (sound.connection == self._connection and self._offset is None):
                break
            self._held.popleft()
            packet = self._stamped(sound)
            if packet is None:
                self.left_out += 1
            else:
                packets.append(packet)
        return packets

    def _stamped(self, sound: LiveAudio) -> AudioPacket | None:
        if self._offset is None or sound.connection != self._connection:
            return None
        at = sound.source_time + self._offset
        if abs(at - self._newest) > _FAR:
            return None
        if self._next is not None and abs(at - self._next) < _JUMP:
            at = self._next + _FOLLOW * (at - self._next)
        pts = round(at * CLOCK)
        if pts < self._floor or pts <= self._last:
            return None
        self._last = pts
        self._next = at + sound.duration if sound.duration > 0 else None
        return AudioPacket(sound.data, pts, round(sound.duration * CLOCK), sound.connection, sound.format)
