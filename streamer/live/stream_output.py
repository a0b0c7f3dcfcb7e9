"""What a live stream offers to its sinks."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.masked_frame import MaskedFrame
from streamer.live.audio import AudioPacket
from streamer.live.fanout import Fanout
from streamer.live.packet import VideoFormat, VideoPacket
from streamer.live.status import Snapshot

KEY_INTERVAL = 0.5  # seconds: no viewer can make the stream consist of key frames


class StreamOutput:
    """The published side of one stream: encoded packets for all, masked pictures for who must encode anew.

    `audio` is what the source sends beside them, untouched, where it is asked for at all: whoever takes it applies the
    policy on audio. It comes before the pictures of the same pts, which are held for their masks.
    `snapshot` tells what the stream is doing. `format` is that of the newest packet, or None before the first.
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
        """Format of the newest packet."""
        return self._format

    def publish(self, packet: VideoPacket) -> None:
        """Give a packet to every sink."""
        self._format = packet.format
        self.last_published = time.monotonic()
        if packet.keyframe:
            self._last_key = self.last_published
        self.packets.publish(packet)

    def take_key_request(self) -> bool:
        """Whether the next picture is to be a key frame: someone asked, and the last one was some time ago."""
        if self._key_wanted and time.monotonic() - self._last_key >= KEY_INTERVAL:
            self._key_wanted = False
            return True
        return False

    def close(self) -> None:
        """The stream is over."""
        self.packets.close()
        self.frames.close()
        self.audio.close()

    def _want_key(self) -> None:
        self._key_wanted = True
