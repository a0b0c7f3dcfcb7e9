"""The audio tracks of an input and their packets."""

from __future__ import annotations

from dataclasses import dataclass

from av.audio.stream import AudioStream
from av.packet import Packet


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio track of the input; `number` counts from 0 in file order."""

    number: int
    stream: AudioStream
    codec: str
    language: str | None

    def __str__(self) -> str:
        return f"audio track #{self.number + 1} ({self.codec})"


@dataclass(frozen=True, slots=True)
class TrackPacket:
    """A packet of audio track number `track`, as stored in the file."""

    track: int
    packet: Packet[AudioStream]
