"""One stream out of copied and encoded packets. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from streamer.gops.access_unit import EntryPoint, StreamForm
from streamer.gops.avc import AvcForm, join_avc_record, parse_avc_header
from streamer.gops.framing import with_lengths, with_start_codes
from streamer.gops.hevc import HevcForm, join_hevc_record, parse_hevc_header
from streamer.gops.renumbered import Renumbered
from streamer.gops.uncopyable import UncopyableError

_START_CODES: Final = frozenset({"mpegts"})
"""Containers (FFmpeg's names) in which parameter sets stand before every key frame, and units after start codes."""


@dataclass(frozen=True, slots=True)
class JoinedPacket:
    """A packet of the joined stream; `key` if a player may begin there."""

    data: bytes
    key: bool


def parse_form(codec: str, extradata: bytes | None) -> StreamForm:
    """The checked header of a stream; `codec` is FFmpeg's canonical name. Raises UncopyableError."""
    if not extradata:
        raise UncopyableError("it has no header")
    if codec == "h264":
        return parse_avc_header(extradata)
    if codec == "hevc":
        return parse_hevc_header(extradata)
    raise UncopyableError(f"{codec} is not copied")


class Joint:
    """Makes packets of one stream from a source's and from its encoder's.

    `container` is FFmpeg's name of the output's format. `extradata` is the codec configuration of the joined stream, in
    the framing of its packets. Raises UncopyableError if the two cannot be one stream.
    """

    def __init__(self, source: StreamForm, encoder: StreamForm, container: str) -> None:
        self._encoder = encoder.reader()
        self._renumbered: Renumbered | None = None
        if isinstance(source, AvcForm) and isinstance(encoder, AvcForm):
            record = join_avc_record([source, encoder])
        elif isinstance(source, HevcForm) and isinstance(encoder, HevcForm):
            self._renumbered = Renumbered(encoder, source)
            encoder = self._renumbered.form
            record = join_hevc_record([source, encoder])
        else:
            raise UncopyableError(f"{source.codec} and {encoder.codec} cannot be one stream")
        self._in_band = container in _START_CODES
        self._framed: Callable[[Iterable[bytes]], bytes] = with_start_codes if self._in_band else with_lengths
        self._source, self._source_sets, self._encoder_sets = (
            source.reader(),
            source.parameter_sets,
            encoder.parameter_sets,
        )
        both = (*self._source_sets, *self._encoder_sets)
        self.extradata = with_start_codes(both) if self._in_band else record

    def skipped(self, data: bytes) -> None:
        """A packet of the source that is not copied. All have to be shown: parameter sets may change in them."""
        self._source.look_at(data)

    def copied(self, data: bytes) -> JoinedPacket:
        """A packet of the source, without anything but its picture. Raises UncopyableError if it must not be copied."""
        unit = self._source.read(data)
        return self._packet(unit.slices, self._source_sets, unit.entry)

    def encoded(self, data: bytes) -> JoinedPacket:
        """A packet of the encoder, likewise."""
        unit = self._encoder.read(data)
        again = self._renumbered
        slices = unit.slices if again is None else tuple(map(again.slice, unit.slices))
        return self._packet(slices, self._encoder_sets, unit.entry)

    def _packet(self, slices: tuple[bytes, ...], sets: tuple[bytes, ...], entry: EntryPoint) -> JoinedPacket:
        key = entry is not EntryPoint.NONE
        return JoinedPacket(self._framed((*sets, *slices) if self._in_band and key else slices), key)
