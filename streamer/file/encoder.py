"""Encodes masked frames as H.264 or HEVC with the time stamps and colour properties of the source."""

from __future__ import annotations

import functools
from fractions import Fraction
from pathlib import Path

from av.codec.context import Flags, ThreadType
from av.container.output import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from core.masked_frame import MaskedFrame
from streamer.file.memory_plan import MEGABYTE, X264_SIDE, TooLargeError, encoder_plan, picture_bytes
from streamer.media.picture_format import PictureFormat
from streamer.media.shell import Shells
from streamer.media.timestamps import StampMapper
from streamer.settings.encoder import Codec, EncoderConfig
from streamer.settings.file import DEFAULT_MEMORY_MB
from streamer.warning_log import WarningLog

_LIBRARIES: dict[Codec, str] = {"h264": "libx264", "hevc": "libx265"}
_UNSPECIFIED, _FULL = 0, 2  # AVCOL_RANGE_UNSPECIFIED, AVCOL_RANGE_JPEG
_FINEST_SLACK = 64
_LARGEST = 2**31 - 1  # limit of numerator and denominator in an AVRational
_COARSEST_TICKS = 10_000  # ticks per second; coarser clocks are subdivided to make room for the dts of repeated pts


def choose_codec(config: EncoderConfig, picture: PictureFormat) -> Codec:
    """The configured codec, otherwise H.264 for up to 8 bits and HEVC for more."""
    return config.codec or ("hevc" if picture.depth > 8 else "h264")


def encoder_pixel_format(codec: Codec, picture: PictureFormat) -> str:
    """The pixel format to encode: the picture's own if the codec supports it.

    H.264 and HEVC cannot crop a 4:2:0 picture to an odd size. Odd sizes get the next higher chroma resolution instead,
    so that no row or column is lost or added.
    """
    name = {"p010le": "yuv420p10le"}.get(picture.pixel_format, picture.pixel_format)
    if codec == "h264":
        name = name.replace("p12le", "p10le")
    wide, high = picture.width % 2 == 1, picture.height % 2 == 1
    if name == "nv12" and (wide or high):
        name = "yuv420p"
    if wide:
        name = name.replace("420p", "444p").replace("422p", "444p")
    elif high:
        name = name.replace("420p", "422p")
    return name


class VideoEncoder:
    """Encodes one video into a stream of an output container; accepts only masked frames.

    `time_base` is the source's, `rate` its average frame rate (for rate control only; it does not affect time stamps).
    `memory_mb` limits the memory of the whole job. Raises TooLargeError if the pictures do not fit.
    """

    def __init__(
        self,
        container: OutputContainer,
        picture: PictureFormat,
        time_base: Fraction,
        rate: Fraction,
        config: EncoderConfig,
        warnings: WarningLog,
        memory_mb: int = DEFAULT_MEMORY_MB,
        *,
        beside: bool = False,
        parameter_set: int | None = None,
    ) -> None:
        """`beside`: parameter sets stand beside the pictures, also in containers that usually have them inside.

        `parameter_set`: the number of H.264's parameter sets.
        """
        self._beside, self._parameter_set = beside, parameter_set
        self.codec = choose_codec(config, picture)
        self.pixel_format = encoder_pixel_format(self.codec, picture)
        self._picture = picture
        self._warnings = warnings
        if self.codec == "h264" and max(picture.width, picture.height) > X264_SIDE:
            raise TooLargeError(
                f"pictures of {picture.width}x{picture.height}: H.264 is encoded up to {X264_SIDE} pixels a side; "
                "--codec hevc has no such limit"
            )
        size = picture_bytes(picture.width, picture.height, self.pixel_format)
        self._plan = encoder_plan(self.codec, config.preset, config.threads, size, memory_mb * MEGABYTE)
        self._scale = 1
        while (
            time_base.denominator * self._scale < _COARSEST_TICKS * time_base.numerator
            and (time_base / (2 * self._scale)).denominator <= _LARGEST
        ):
            self._scale *= 2
        self.time_base = time_base / self._scale
        self._default_duration = max(1, round(1 / rate / self.time_base))
        self._stamps = StampMapper(slack=min(_FINEST_SLACK, self._default_duration // 4))
        self._clock = 1 / rate  # one tick per frame
        self._shells = Shells()
        self.stream = self._add_stream(container, rate, config)
        if self.pixel_format not in (picture.pixel_format, "yuv420p10le"):
            warnings.add("encoder format", f"pictures are encoded as {self.pixel_format}, not {picture.pixel_format}")

    def _add_stream(self, container: OutputContainer, rate: Fraction, config: EncoderConfig) -> VideoStream:
        picture = self._picture
        interlaced = picture.interlaced and self.codec == "h264" and picture.height % 4 == 0
        if picture.interlaced and not interlaced:
            self._warnings.add("interlaced", "interlaced pictures are encoded as progressive ones")
        stream = container.add_stream(_LIBRARIES[self.codec], rate=rate, options=self._options(config))
        assert isinstance(stream, VideoStream)
        stream.time_base = self.time_base
        context = stream.codec_context
        context.width, context.height = picture.width, picture.height
        context.pix_fmt = self.pixel_format
        context.time_base = self._clock
        context.color_range, context.colorspace = _range(picture), picture.colorspace
        context.color_primaries, context.color_trc = picture.color_primaries, picture.color_trc
        if picture.sample_aspect_ratio:
            context.sample_aspect_ratio = picture.sample_aspect_ratio
        context.thread_count = self._plan.threads
        context.thread_type = ThreadType.FRAME  # PyAV's default, slices, is slower and compresses worse
        if self._beside:
            context.flags |= Flags.global_header
        if interlaced:
            context.flags |= Flags.interlaced_dct
            context.field_order = picture.field_order
        if self.codec == "hevc" and container.format.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # the tag that Apple players require
        return stream

    def _options(self, config: EncoderConfig) -> dict[str, str]:
        # Captions are a transcript of what people say: never copied into the new pictures.
        options = {"crf": f"{config.crf:g}", "preset": config.preset, "a53cc": "0"}
        hdr, plan = self._picture.hdr, self._plan
        sparing = {
            "rc-lookahead": None if plan.look_ahead is None else str(plan.look_ahead),
            "bframes": "0" if plan.least else None,
            "ref": "1" if plan.least else None,
        }
        if self.codec == "h264":
            private = {
                "mastering-display": hdr.mastering_display,
                "cll": _pair(hdr.content_light),
                "sync-lookahead": None if plan.look_ahead is None else "0",
                "asm": _repeatable(),
                "sps-id": None if self._parameter_set is None else str(self._parameter_set),
            }
            name = "x264-params"
        else:
            private = {
                "log-level": "none",  # libx265 writes to stderr directly
                "master-display": hdr.mastering_display,
                "max-cll": _pair(hdr.content_light),
                "pools": str(config.threads) if config.threads else None,
                "frame-threads": str(plan.threads) if plan.threads != config.threads else None,
            }
            name = "x265-params"
        joined = ":".join(f"{key}={value}" for key, value in {**private, **sparing}.items() if value)
        return {**options, name: joined} if joined else options

    @property
    def parameter_sets(self) -> bytes:
        """What stands beside the pictures in containers that have it there: FFmpeg's extradata."""
        context = self.stream.codec_context
        if not context.is_open:
            context.open(strict=False)
        return context.extradata or b""

    def encode(self, masked: MaskedFrame) -> list[Packet[VideoStream]]:
        """Packets that are now ready, in decoding order. Raises TypeError for anything but a MaskedFrame."""
        if not isinstance(masked, MaskedFrame):
            raise TypeError(f"only a MaskedFrame may be encoded, not {type(masked).__name__}")
        video = masked.video
        pts, duration = video.pts, video.duration
        if pts is None:
            raise ValueError(f"frame {masked.index} has no time stamp")
        shell = self._shells.of(video)
        shell.pts = self._stamps.push(pts * self._scale, duration * self._scale or self._default_duration)
        shell.time_base = self._clock
        shell.pict_type = PictureType.NONE  # do not copy the source's choice of key frames
        return [self._stamped(packet, final=False) for packet in self.stream.encode(shell)]

    def flush(self) -> list[Packet[VideoStream]]:
        """The remaining packets; no frame can be encoded afterwards."""
        packets = self.stream.encode(None)
        return [self._stamped(packet, final=packet is packets[-1]) for packet in packets]

    def _stamped(self, packet: Packet[VideoStream], final: bool) -> Packet[VideoStream]:
        assert packet.pts is not None
        stamp = self._stamps.pop(packet.pts, packet.pts if packet.dts is None else packet.dts, final)
        if self._stamps.moved:
            self._warnings.add("moved", "some time stamps repeat too often; they are moved by a tick")
        packet.pts, packet.dts, packet.duration = stamp.pts, stamp.dts, stamp.duration
        packet.time_base = self.time_base
        return packet


@functools.cache
def _repeatable() -> str | None:
    """The instructions that libx264 may use; None: all that there are.

    With AVX-512, pictures whose width is no multiple of 128 came out differently in every sixth run: its macroblock
    tree reads beyond a row's end. Without, encoding takes 3 % longer.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return None
    return "MMX2,SSE2Fast,LZCNT,SSSE3,SSE4.2,AVX,FMA3,BMI2,AVX2" if " avx512f " in flags else None


def _range(picture: PictureFormat) -> int:
    """The range to tag. By default FFmpeg's grey formats are full range, but coded video is limited range."""
    if picture.pixel_format.startswith("gray") and picture.color_range == _UNSPECIFIED:
        return _FULL
    return picture.color_range


def _pair(values: tuple[int, int] | None) -> str | None:
    return None if values is None else f"{values[0]},{values[1]}"
