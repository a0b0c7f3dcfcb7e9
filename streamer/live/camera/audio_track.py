"""Reads the audio track of one connection."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Final

from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from streamer.live.audio import AudioFormat, LiveAudio, format_of
from streamer.live.camera.source_time import Unwrapper
from streamer.redact import redacted

_log: Final = logging.getLogger("veilcast.audio")


def pick_audio(container: InputContainer) -> AudioStream | None:
    """The first audio track with a known codec, or None."""
    for stream in container.streams:
        if isinstance(stream, AudioStream):
            context: object = stream.codec_context  # None without a decoder, contrary to the stubs
            if context is not None:
                return stream
    return None


class LiveAudioTrack:
    """Turns the packets of `stream` into `LiveAudio`."""

    def __init__(self, stream: AudioStream, connection: int) -> None:
        self.stream = stream
        self._connection = connection
        self._unwrapper = Unwrapper()
        self._format: AudioFormat | None = None
        self._unusable = False

    def take(self, packet: Packet[Stream]) -> LiveAudio | None:
        """The packet as `LiveAudio`, or None if it has no timestamp or the format cannot be described."""
        if not packet.size or packet.pts is None or self._unusable:
            return None
        base = packet.time_base or self.stream.time_base or Fraction(1, 90_000)
        seconds = self._unwrapper.seconds(packet.pts, base)
        if self._format is None:
            try:
                # Not when the connection is opened: some codecs describe themselves only in their packets.
                self._format = format_of(self.stream)
            except (FFmpegError, ValueError) as error:
                self._unusable = True
                _log.warning("audio is ignored: its format cannot be described (%s)", redacted(str(error)))
                return None
        assert seconds is not None
        duration = float((packet.duration or 0) * base)
        return LiveAudio(bytes(packet), seconds, duration, self._connection, self._format)
