"""Tells beforehand whether a container takes a sound packet as it is.

Muxers look into some kinds of sound and refuse what is damaged. They do so when they write, and by then packets of all
streams wait in one queue: the error comes with another packet, and what was refused cannot be told. So every packet is
shown to a muxer of the same kind first, which has no other stream and writes nowhere.
"""

from __future__ import annotations

import os
from typing import Final

import av
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet

from streamer.media.audio_track import AudioTrack

_RENEWED: Final = 10_000  # packets: muxers keep an index of all that they have written


class AudioGauge:
    """Takes the packets of one track, in order. Raises ValueError or FFmpegError when the container cannot hold it."""

    def __init__(self, kind: str, track: AudioTrack) -> None:
        self._kind, self._track = kind, track
        self._open()

    def _open(self) -> None:
        self._seen = 0
        self._container = av.open(_Nowhere(), "w", self._kind)
        self._stream = self._container.add_stream_from_template(self._track.stream)
        self._container.start_encoding()

    def takes(self, packet: Packet[AudioStream]) -> bool:
        """Whether the container takes the packet, which is given back as it was but for its stream."""
        if self._seen >= _RENEWED:
            self.close()
            self._open()
        self._seen += 1
        pts, dts, duration, base = packet.pts, packet.dts, packet.duration, packet.time_base
        packet.stream = self._stream
        try:
            self._container.mux_one(packet)
        except FFmpegError:
            return False
        finally:
            packet.pts, packet.dts, packet.duration, packet.time_base = pts, dts, duration, base
        return True

    def close(self) -> bool:
        """Let go; False when the container cannot be completed with what it took."""
        try:
            self._container.close()
        except FFmpegError:
            return False
        return True


class _Nowhere:
    """A file that keeps nothing but its length."""

    def __init__(self) -> None:
        self._at = self._length = 0

    def write(self, data: bytes) -> int:
        self._at += len(data)
        self._length = max(self._length, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        return self._at

    def tell(self) -> int:
        return self._at
