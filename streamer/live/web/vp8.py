"""The shared VP8 encode of a stream, for all viewers that cannot play H.264."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from core.masked_frame import MaskedFrame
from core.owned_thread import POLL, OwnedThread
from streamer.live.fanout import ClosedError, Fanout, Subscription
from streamer.live.packet import CLOCK, TIME_BASE
from streamer.live.stream_output import KEY_INTERVAL, StreamOutput
from streamer.media.shell import Shells
from streamer.runtime.ffmpeg_log import MUTED

_PIXELS = "yuv420p"
_QUEUE = 8  # pictures; if libvpx does not keep up, pictures are skipped rather than delayed
_MAX_STEP = 10.0  # seconds; a longer step of the source's clock is a jump, not a pause


@dataclass(frozen=True, slots=True, eq=False)
class Vp8Packet:
    """One encoded masked picture (RFC 6386); `pts` in units of `TIME_BASE`, strictly increasing."""

    data: bytes
    pts: int
    keyframe: bool


class Vp8Encoder:
    """Encodes masked frames in real time, one packet each. Follows changes of the picture size."""

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None
        self._pts = -1
        self._shells = Shells()
        self._last: tuple[float, float] | None = None

    def encode(self, masked: MaskedFrame, arrived: float, *, key: bool = False) -> list[Vp8Packet]:
        """Encode a picture, as a key frame if `key`; `arrived` is in seconds of any monotonic clock.

        Raises TypeError for anything but a MaskedFrame, av.FFmpegError if libvpx fails.
        """
        if not isinstance(masked, MaskedFrame):
            raise TypeError(f"only a MaskedFrame may be encoded, not {type(masked).__name__}")
        video = masked.video
        if video.format.name != _PIXELS:
            video = video.reformat(format=_PIXELS, threads=1)
        video = self._shells.of(video)
        context = self._fitting(video.width, video.height)
        self._pts += self._step(masked.time, arrived)
        video.pts, video.time_base = self._pts, TIME_BASE
        video.pict_type = PictureType.I if key else PictureType.NONE
        return [Vp8Packet(bytes(packet), packet.pts or 0, packet.is_keyframe) for packet in context.encode(video)]

    def _step(self, at: float, arrived: float) -> int:
        """Ticks since the previous picture; by arrival time where the source's clock jumps."""
        last, self._last = self._last, (at, arrived)
        if last is None:
            return 1
        step = at - last[0]
        if not 0 < step < _MAX_STEP:
            step = arrived - last[1]
        return max(1, round(step * CLOCK))

    def _fitting(self, width: int, height: int) -> VideoCodecContext:
        context = self._context
        if context is not None and (context.width, context.height) == (width, height):
            return context
        context = CodecContext.create("libvpx", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = width, height
        context.pix_fmt, context.time_base = _PIXELS, TIME_BASE
        context.bit_rate = max(300_000, min(4_000_000, 2 * width * height))
        context.gop_size = 250
        context.thread_count = 2
        context.options = {
            "deadline": "realtime",
            "cpu-used": "8",
            "lag-in-frames": "0",
            "error-resilient": "1",
            "static-thresh": "1",
            "maxrate": str(context.bit_rate),
            "bufsize": str(context.bit_rate),
            "log_level_offset": MUTED,
        }
        context.open()
        self._context = context
        return context


class SharedVp8:
    """Encodes `output.frames` in its own thread, but only while there are subscribers.

    Not thread-safe, except for its counters: `encoded` pictures, and pictures `dropped` because libvpx lagged.
    """

    def __init__(self, output: StreamOutput, failed: Callable[[BaseException], None] = lambda _: None) -> None:
        self.encoded = 0
        self._output, self._failed = output, failed
        self._users = 0
        self._dropped = 0
        self._key_wanted = False
        self._packets: Fanout[Vp8Packet] | None = None
        self._frames: Subscription[MaskedFrame] | None = None
        self._thread: OwnedThread | None = None

    @property
    def dropped(self) -> int:
        """Pictures skipped since the start because libvpx lagged."""
        frames = self._frames
        return self._dropped + (frames.dropped if frames is not None else 0)

    @property
    def running(self) -> bool:
        """Whether the encoding thread is running."""
        return self._thread is not None and self._thread.alive

    def subscribe(self, name: str, depth: int, notify: Callable[[], None]) -> Subscription[Vp8Packet]:
        """See `Fanout.subscribe`. End the subscription with `release`."""
        if not self.running:
            self._stop()
            self._start()
        self._users += 1
        assert self._packets is not None
        return self._packets.subscribe(name, depth, notify)

    def release(self, subscription: Subscription[Vp8Packet]) -> None:
        """End a subscription. After the last one, the thread stops as soon as it has encoded its current picture."""
        subscription.close()
        self._users -= 1
        if self._users <= 0:
            self._stop()

    def request_key(self) -> None:
        """Request a key frame."""
        self._key_wanted = True

    def _start(self) -> None:
        packets: Fanout[Vp8Packet] = Fanout(lambda packet: packet.keyframe, self.request_key)
        frames = self._output.frames.subscribe("vp8", _QUEUE)
        self._packets, self._frames = packets, frames
        self._thread = thread = OwnedThread(
            f"veilcast-vp8-{self._output.name}", lambda: self._run(thread.stopping, packets, frames)
        )
        thread.start()

    def _stop(self) -> None:
        if self._thread is None or self._frames is None:
            return
        self._thread.stopping.set()
        self._frames.close()
        self._thread.close()
        self._dropped += self._frames.dropped
        self._thread = self._packets = self._frames = None

    def _run(self, stopping: threading.Event, packets: Fanout[Vp8Packet], frames: Subscription[MaskedFrame]) -> None:
        encoder, last_key = Vp8Encoder(), float("-inf")
        try:
            while not stopping.is_set():
                frame = frames.get(POLL)
                if frame is None:
                    continue
                now = time.monotonic()
                key = self._key_wanted and now - last_key >= KEY_INTERVAL
                if key:
                    self._key_wanted, last_key = False, now
                for packet in encoder.encode(frame, now, key=key):
                    packets.publish(packet)
                self.encoded += 1
        except ClosedError:
            pass
        except Exception as error:
            self._failed(error)
            raise
        finally:
            packets.close()
