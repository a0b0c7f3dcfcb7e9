"""What a live stream provides to its sinks."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.masked_frame import MaskedFrame
from streamer.live.audio import AudioPacket
from streamer.live.fanout import Fanout
from streamer.live.packet import VideoFormat, VideoPacket
from streamer.live.status import Snapshot

KEY_INTERVAL = 0.5  # seconds between requested key frames, so that viewers cannot flood the stream with them


class StreamOutput:
    """The published side of one stream: encoded `packets`, and masked `frames` for sinks with their own encoder.

    `audio` is the source's audio, unchanged, if it is requested at all; the sink applies the audio policy. It arrives
    before the pictures with the same pts, because those wait for their masks. `snapshot` returns the stream's status.
    """

    def __init__(self, name: str, snapshot: Callable[[], Snapshot]) -> None:
        self.name = name
        self.snapshot = snapshot
        self.packets: Fanout[VideoPacket] = Fanout(lambda packet: packet.keyframe, self._want_key)
        self.frames: Fanout[MaskedFrame] = Fanout(lambda _: True)
        self.audio: Fanout[AudioPacket] = Fanout(lambda _: True)
        self._format: VideoFormat | None = None
        self._key_wanted = False
        self._last_key = float("-inf")
        self.last_published = float("-inf")
        """When the newest packet was published, in seconds of `time.monotonic()`."""

    @property
    def format(self) -> VideoFormat | None:
        """Format of the newest packet, or None before the first."""
        return self._format

    def publish(self, packet: VideoPacket) -> None:
        """Publish a packet to all sinks."""
        self._format = packet.format
        self.last_published = time.monotonic()
        if packet.keyframe:
            self._last_key = self.last_published
        self.packets.publish(packet)

    def take_key_request(self) -> bool:
        """Whether the next picture should be a key frame: one was requested, and the last one is not too recent."""
        if self._key_wanted and time.monotonic() - self._last_key >= KEY_INTERVAL:
            self._key_wanted = False
            return True
        return False

    def close(self) -> None:
        """End the stream for all sinks."""
        self.packets.close()
        self.frames.close()
        self.audio.close()

    def _want_key(self) -> None:
        self._key_wanted = True
