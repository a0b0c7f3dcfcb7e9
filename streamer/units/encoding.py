"""Writes the pictures of a unit: encoded ones, and untouched groups as they are in the file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import av
from av.container.output import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from core.masked_frame import MaskedFrame
from streamer.errors import InputError
from streamer.file.encoder import VideoEncoder
from streamer.file.memory_plan import TooLargeError, picture_bytes
from streamer.file.source import SourceInfo
from streamer.gops.choice import Again, Choice, Copy, Drop, Encode, GopChooser, is_untouched
from streamer.gops.gop import Gop
from streamer.gops.joint import Joint
from streamer.gops.uncopyable import UncopyableError
from streamer.settings.file import Settings
from streamer.units.unit_file import UnitPacket, UnitWriter
from streamer.warning_log import WarningLog

HELD_BYTES: Final = 96_000_000
"""Pictures of an untouched group are held until it is complete, as long as they fit into this."""


def scratch_encoder(
    info: SourceInfo, settings: Settings, warnings: WarningLog, parameter_set: int | None = None
) -> VideoEncoder:
    """An encoder whose packets go nowhere by themselves. Raises InputError if the pictures do not fit into memory."""
    # Matroska, to which nothing is written, has encoders put their parameter sets beside the pictures.
    container = av.open(io.BytesIO(), "w", "matroska")
    assert isinstance(container, OutputContainer)
    try:
        return VideoEncoder(
            container,
            info.picture,
            info.time_base,
            info.rate,
            settings.encoder,
            warnings,
            settings.file.memory_mb,
            parameter_set=parameter_set,
        )
    except TooLargeError as error:
        raise InputError(info.path, str(error)) from error


@dataclass(frozen=True, slots=True, eq=False)
class CopySource:
    """Where copied packets come from: the groups of the unit, its packets in decoding order, and frames once more."""

    gops: Sequence[Gop]
    packets: Iterator[tuple[int, bytes]]
    """pts and content."""
    joint: Joint
    again: Callable[[int, tuple[int, ...]], Iterator[MaskedFrame]]
    """From the packet with this ordinal on, the frames with these times, with nothing masked."""


class UnitEncoding(Protocol):
    """Takes the masked frames of a unit in order of presentation."""

    copied: int
    """Frames that were copied."""

    def write(self, masked: MaskedFrame) -> None:
        """The next frame."""

    def finish(self) -> None:
        """No more frames."""


class EncodeAll:
    """Every frame is encoded."""

    def __init__(self, encoder: VideoEncoder, writer: UnitWriter) -> None:
        self._encoder, self._writer = encoder, writer
        self.copied = 0

    def write(self, masked: MaskedFrame) -> None:
        """The next frame."""
        self._write(self._encoder.encode(masked))

    def finish(self) -> None:
        """No more frames."""
        self._write(self._encoder.flush())

    def _write(self, packets: Sequence[Packet[VideoStream]]) -> None:
        for packet in packets:
            self._writer.write(
                UnitPacket(packet.pts or 0, packet.duration or 0, packet.is_keyframe, bytes(packet))
            )  # fmt: skip


class CopyUntouched:
    """Groups of pictures in which nothing is masked keep their packets; each encoder between them is a new one."""

    def __init__(
        self,
        source: CopySource,
        first: VideoEncoder,
        new_encoder: Callable[[], VideoEncoder],
        info: SourceInfo,
        writer: UnitWriter,
    ) -> None:
        picture = info.picture
        size = picture_bytes(picture.width, picture.height, picture.pixel_format)
        self._source, self._new_encoder, self._writer = source, new_encoder, writer
        self._chooser = GopChooser(source.gops, max(1, HELD_BYTES // size))
        self._held: dict[int, MaskedFrame] = {}
        self._first: VideoEncoder | None = first
        self._encoder: VideoEncoder | None = None
        self._tick = int(info.time_base / first.time_base)
        self._usual = round(1 / info.rate / info.time_base)
        self._at = 0  # packets read so far
        self.copied = 0

    def write(self, masked: MaskedFrame) -> None:
        """The next frame."""
        pts = masked.video.pts or 0
        self._held[pts] = masked
        self._follow(self._chooser.frame(pts, is_untouched(masked)))

    def finish(self) -> None:
        """No more frames."""
        self._follow(self._chooser.finish())
        self._end_encoder()

    def _follow(self, choices: Sequence[Choice]) -> None:
        for choice in choices:
            if isinstance(choice, Encode):
                self._encode((self._held.pop(pts) for pts in choice.pts), choice.fresh)
            elif isinstance(choice, Again):
                self._encode(self._source.again(choice.decode_from, choice.pts), choice.fresh)
            elif isinstance(choice, Drop):
                for pts in choice.pts:
                    self._held.pop(pts, None)
            elif isinstance(choice, Copy):
                self._end_encoder()
                self._copy(choice.gop)
                self._held.clear()

    def _encode(self, frames: Iterator[MaskedFrame], fresh: bool) -> None:
        if fresh or self._encoder is None:
            self._end_encoder()
            self._encoder, self._first = self._first or self._new_encoder(), None
        for masked in frames:
            self._write(self._encoder.encode(masked))

    def _end_encoder(self) -> None:
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            self._write(encoder.flush())

    def _write(self, packets: Sequence[Packet[VideoStream]]) -> None:
        for packet in packets:
            made = self._source.joint.encoded(bytes(packet))
            self._writer.write(UnitPacket(packet.pts or 0, packet.duration or 0, made.key, made.data))

    def _copy(self, gop: Gop) -> None:
        for pts, data in self._source.packets:
            self._at += 1
            if self._at <= gop.first:
                self._source.joint.skipped(data)
                continue
            made = self._source.joint.copied(data)
            self._writer.write(UnitPacket(pts * self._tick, self._usual * self._tick, made.key, made.data))
            self.copied += 1
            if self._at == gop.first + gop.packets:
                return
        raise UncopyableError("its packets changed meanwhile")
