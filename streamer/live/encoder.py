"""The one encoder of a live stream: masked frames in, H.264 packets for all sinks out."""

from __future__ import annotations

from fractions import Fraction

from av.codec.context import CodecContext, ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from core.masked_frame import MaskedFrame
from streamer.live.packet import CLOCK, TIME_BASE, VideoFormat, VideoPacket
from streamer.media.h264 import nal_units
from streamer.media.shell import Shells
from streamer.runtime.ffmpeg_log import MUTED
from streamer.settings.encoder import LiveEncoderConfig

_PIXELS = "yuv420p"
_SPS, _PPS = 7, 8  # NAL unit types (H.264, table 7-1)


class EncoderError(Exception):
    """libx264 failed; the encoder cannot be used any more."""


class LiveEncoder:
    """Encodes masked frames without delay: every call returns the packet of its own picture.

    Constrained baseline without B-frames, which every browser and NVR can play. `rate` is the expected frame rate;
    frames may arrive at any pace. Raises EncoderError if libx264 cannot be opened.
    """

    def __init__(self, width: int, height: int, rate: Fraction, config: LiveEncoderConfig) -> None:
        if width % 2 or height % 2:
            raise ValueError(f"the size must be even, not {width}x{height}")
        self.width, self.height, self.rate = width, height, rate
        self._config = config
        self._format: VideoFormat | None = None
        self._pts = -1
        self._last_key: int | None = None
        self._shells = Shells()
        self._context = self._open()

    def _open(self) -> VideoCodecContext:
        context = CodecContext.create("libx264", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = self.width, self.height
        context.pix_fmt = _PIXELS
        context.time_base, context.framerate = TIME_BASE, self.rate
        config = self._config
        # Slice threads let both cores work on one picture; frame threads would add delay.
        context.thread_type = ThreadType.SLICE
        context.thread_count = 2
        context.options = {
            "preset": config.preset,
            "tune": "zerolatency",
            "profile": "baseline",
            "crf": f"{config.crf:g}",
            "maxrate": f"{config.max_kbps}k",
            "bufsize": f"{config.max_kbps}k",
            "g": "100000",  # key frames are forced by time, since the frame rate may change
            "forced-idr": "1",
            "a53cc": "0",
            "x264-params": "repeat-headers=1:annexb=1:scenecut=0",
            "log_level_offset": MUTED,
        }
        try:
            context.open()
        except Exception as error:
            raise EncoderError(str(error)) from error
        return context

    def encode(self, masked: MaskedFrame, pts: int, captured: float, *, key: bool = False) -> list[VideoPacket]:
        """The packet of this picture, `pts` in units of `TIME_BASE`; a key frame if `key`.

        A `pts` that does not increase is replaced by the next tick. Raises TypeError for anything but a MaskedFrame,
        ValueError for another size, EncoderError if libx264 fails.
        """
        if not isinstance(masked, MaskedFrame):
            raise TypeError(f"only a MaskedFrame may be encoded, not {type(masked).__name__}")
        video = masked.video
        if (video.width, video.height) != (self.width, self.height):
            raise ValueError(f"the encoder is for {self.width}x{self.height}, not {video.width}x{video.height}")
        step = max(1, pts - self._pts) if self._pts >= 0 else round(CLOCK / self.rate)
        self._pts = max(pts, self._pts + 1)
        if video.format.name != _PIXELS:
            video = video.reformat(format=_PIXELS, threads=1)
        video = self._shells.of(video)
        video.pts, video.time_base = self._pts, TIME_BASE
        due = self._last_key is None or self._pts - self._last_key >= self._config.key_interval * CLOCK
        video.pict_type = PictureType.I if key or due else PictureType.NONE
        try:
            packets: list[Packet[VideoStream]] = self._context.encode(video)
        except Exception as error:
            raise EncoderError(str(error)) from error
        return [self._published(packet, step, captured) for packet in packets]

    def _published(self, packet: Packet[VideoStream], duration: int, captured: float) -> VideoPacket:
        data = bytes(packet)
        if packet.is_keyframe:
            self._last_key = packet.pts
        if self._format is None:
            units = {unit[0] & 0x1F: unit for unit in nal_units(data)}
            self._format = VideoFormat(self.width, self.height, self.rate, units[_SPS], units[_PPS])
        return VideoPacket(data, packet.pts or 0, duration, packet.is_keyframe, captured, self._format)
