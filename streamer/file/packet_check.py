"""Checks in advance whether a container accepts an audio packet as it is.

Muxers parse some audio codecs and refuse damaged packets. They do so while writing, when packets of all streams share
one queue, so the error comes with some other packet and the refused one is unknown. Therefore every packet first goes
to a separate muxer of the same kind, which has only this stream and discards its output.
"""

from __future__ import annotations

import os
from typing import Final

import av
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.packet import Packet

from streamer.media.audio_track import AudioTrack

_RENEWED: Final = 10_000  # packets; muxers keep an index of everything they have written


class PacketCheck:
    """Checks the packets of one track, in order.

    Raises ValueError or FFmpegError if the container cannot hold the track at all.
    """

    def __init__(self, kind: str, track: AudioTrack) -> None:
        self._kind, self._track = kind, track
        self._open()

    def _open(self) -> None:
        self._seen = 0
        self._container = av.open(_Nowhere(), "w", self._kind)
        self._stream = self._container.add_stream_from_template(self._track.stream)
        self._container.start_encoding()

    def accepts(self, packet: Packet[AudioStream]) -> bool:
        """Whether the container accepts the packet. Changes nothing in the packet except its stream."""
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
        """Close the muxer; False if it cannot complete its file from the packets it accepted."""
        try:
            self._container.close()
        except FFmpegError:
            return False
        return True


class _Nowhere:
    """A file that keeps only its length."""

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
