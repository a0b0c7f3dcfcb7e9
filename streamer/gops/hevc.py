"""HEVC: what the header holds, what a packet holds, and one header for two streams. No I/O."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from streamer.gops.access_unit import AccessUnit, EntryPoint
from streamer.gops.avc import sei_kinds
from streamer.gops.bits import BitReader
from streamer.gops.framing import LENGTH_SIZE, split_by_length, split_by_start_code
from streamer.gops.hevc_sets import (
    HEADER,
    MOST_PICTURE_SETS,
    HevcPicture,
    HevcSequence,
    HevcStream,
    parse_hevc_picture,
    parse_hevc_sequence,
    parse_hevc_stream,
)
from streamer.gops.sequence import SequenceLook
from streamer.gops.uncopyable import UncopyableError

VPS, SPS, PPS = 32, 33, 34  # nal_unit_type (HEVC, table 7-1)
_SEI: Final = frozenset({39, 40})
_SLICES: Final = frozenset({*range(10), *range(16, 22)})
_IDR: Final = frozenset({19, 20})
FIRST_IRAP, LAST_IRAP = 16, 23
_FILM_GRAIN: Final = 19
_HEAD: Final = 32  # bytes of a slice that hold all that is read of it


def unit_kind(unit: bytes) -> int:
    """The type of a NAL unit; -1 for one that is too short, damaged, or of another layer than the lowest."""
    if len(unit) <= HEADER or unit[0] & 129 or unit[1] >> 3:
        return -1
    return unit[0] >> 1


@dataclass(frozen=True, slots=True)
class HevcForm:
    """The checked header of an HEVC stream. `length_size` 0 means start codes."""

    length_size: int
    streams: dict[int, HevcStream]
    sequences: dict[int, HevcSequence]
    pictures: dict[int, HevcPicture]
    codec: str = field(default="hevc", init=False)

    @property
    def look(self) -> SequenceLook:
        """How all pictures are shown."""
        return next(iter(self.sequences.values())).look

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        """All parameter sets, as NAL units."""
        sets: list[HevcStream | HevcSequence | HevcPicture] = [
            *self.streams.values(),
            *self.sequences.values(),
            *self.pictures.values(),
        ]
        return tuple(found.unit for found in sets)

    def reader(self) -> HevcReader:
        """Reads the packets of this stream, in decoding order."""
        return HevcReader(self)


def parse_hevc_header(extradata: bytes) -> HevcForm:
    """Check the codec configuration, in either framing. Raises UncopyableError."""
    if extradata[:1] == b"\1":
        length_size, units = _read_record(extradata)
    else:
        length_size, units = 0, split_by_start_code(extradata)
    return hevc_form(length_size, units)


def hevc_form(length_size: int, units: Sequence[bytes]) -> HevcForm:
    """The form that these parameter sets make; anything else among them is left out. Raises UncopyableError."""
    form = HevcForm(length_size, {}, {}, {})
    for unit in (unit for unit in units if unit_kind(unit) == VPS):
        stream = parse_hevc_stream(unit)
        _same(form.streams.setdefault(stream.number, stream).unit, unit)
    for unit in (unit for unit in units if unit_kind(unit) == SPS):
        sequence = parse_hevc_sequence(unit, form.streams)
        _same(form.sequences.setdefault(sequence.number, sequence).unit, unit)
    for unit in (unit for unit in units if unit_kind(unit) == PPS):
        picture = parse_hevc_picture(unit, form.sequences)
        _same(form.pictures.setdefault(picture.number, picture).unit, unit)
    if not form.pictures:
        raise UncopyableError("its header holds no parameter sets")
    if len({sequence.look for sequence in form.sequences.values()}) > 1:
        raise UncopyableError("its parameter sets differ in what pictures look like")
    return form


def _same(known: bytes, unit: bytes) -> None:
    if known != unit:
        raise UncopyableError("two parameter sets share a number")


def _read_record(extradata: bytes) -> tuple[int, list[bytes]]:
    """HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1): bytes of a length, and NAL units."""
    if len(extradata) < 23:
        raise UncopyableError("its header is cut short")
    units, at = [], 23
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            start = at + 2
            at = start + int.from_bytes(extradata[at:start], "big")
            unit = extradata[start:at].rstrip(b"\0")
            if at > len(extradata) or not unit or b"\0\0\1" in unit or b"\0\0\0" in unit:
                raise UncopyableError("its header is cut short")
            units.append(unit)
    return (extradata[21] & 3) + 1, units


class HevcReader:
    """Takes packets apart, in decoding order from a key frame on; remembers parameter sets that change in between."""

    def __init__(self, form: HevcForm) -> None:
        self._form = form
        self._known = frozenset(form.parameter_sets)
        self._changed = False

    def read(self, data: bytes) -> AccessUnit:
        """The picture in this packet. Raises UncopyableError if it must not be copied."""
        units = self._units(data)
        if self._changed:
            raise UncopyableError("its parameter sets change")
        slices = [unit for unit in units if unit_kind(unit) in _SLICES]
        if not slices:
            raise UncopyableError("a packet holds no picture")
        for unit in units:
            if unit[0] & 128:
                raise UncopyableError("a unit is damaged")
            if unit_kind(unit) in _SEI and _FILM_GRAIN in sei_kinds(unit[HEADER:]):
                raise UncopyableError("its pictures get film grain when they are decoded")
        kind = unit_kind(slices[0])
        for place, unit in enumerate(slices):
            bits = BitReader(unit[HEADER:_HEAD])
            if bits.flag() != (place == 0) or unit_kind(unit) != kind:
                raise UncopyableError("a packet holds more or less than a picture")
            if FIRST_IRAP <= kind <= LAST_IRAP and bits.flag():
                raise UncopyableError("a key frame drops the pictures before it")
            if bits.ue(MOST_PICTURE_SETS) not in self._form.pictures:
                raise UncopyableError("its parameter sets change")
        if kind in _IDR:
            return AccessUnit(tuple(slices), EntryPoint.CLOSED)
        return AccessUnit(tuple(slices), EntryPoint.OPEN if FIRST_IRAP <= kind <= LAST_IRAP else EntryPoint.NONE)

    def look_at(self, data: bytes) -> None:
        """A packet that is not copied: only remember what changes in it."""
        with contextlib.suppress(UncopyableError):
            self._units(data)

    @property
    def sets_change(self) -> bool:
        """Whether parameter sets in force are not those of the header."""
        return self._changed

    def _units(self, data: bytes) -> list[bytes]:
        size = self._form.length_size
        units = split_by_length(data, size) if size else split_by_start_code(data)
        # Once a set has changed, nothing is copied any more: which ones depend on it is not followed.
        self._changed |= any(unit_kind(unit) in (VPS, SPS, PPS) and unit not in self._known for unit in units)
        return units


def join_hevc_record(forms: Iterable[HevcForm]) -> bytes:
    """One record (hvcC, lengths of four bytes) that holds the parameter sets of all.

    Raises UncopyableError if they share a number or look different.
    """
    known = list(forms)
    sequences = [sequence for form in known for sequence in form.sequences.values()]
    for numbers in (
        [stream.number for form in known for stream in form.streams.values()],
        [sequence.number for sequence in sequences],
        [picture.number for form in known for picture in form.pictures.values()],
    ):
        if len(set(numbers)) < len(numbers):
            raise UncopyableError("two parameter sets share a number")
    look = sequences[0].look
    if any(sequence.look != look for sequence in sequences):
        raise UncopyableError("copied and encoded pictures would look different")
    profiles = [sequence.profile for sequence in sequences]
    compatibility = constraints = (1 << 48) - 1
    for profile in profiles:
        compatibility, constraints = compatibility & profile.compatibility, constraints & profile.constraints
    layers, nested = max(s.layers for s in sequences), all(s.nested for s in sequences)
    record = bytearray((1, max(p.tier for p in profiles) << 5 | max(p.profile for p in profiles)))
    record += (compatibility & 0xFFFFFFFF).to_bytes(4, "big") + constraints.to_bytes(6, "big")
    record += bytes((max(p.level for p in profiles), 0xF0, 0, 0xFC, 0xFC | look.chroma))
    record += bytes((0xF8 | look.depth - 8, 0xF8 | look.depth - 8, 0, 0))
    record += bytes((layers << 3 | nested << 2 | LENGTH_SIZE - 1, 3))
    for kind in (VPS, SPS, PPS):
        units = [unit for form in known for unit in form.parameter_sets if unit_kind(unit) == kind]
        record += bytes((0x80 | kind,)) + len(units).to_bytes(2, "big")
        for unit in units:
            record += len(unit).to_bytes(2, "big") + unit
    return bytes(record)
