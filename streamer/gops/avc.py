"""H.264: what the header holds, what a packet holds, and one header for two streams. No I/O."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from streamer.gops.access_unit import AccessUnit, EntryPoint
from streamer.gops.avc_sets import (
    MOST_PICTURE_SETS,
    AvcPicture,
    AvcSequence,
    parse_avc_picture,
    parse_avc_sequence,
)
from streamer.gops.bits import BitReader
from streamer.gops.framing import LENGTH_SIZE, split_by_length, split_by_start_code
from streamer.gops.sequence import SequenceLook
from streamer.gops.uncopyable import SETS_CHANGE, UncopyableError

_SLICE, _PARTITIONS, _IDR, _SEI, _SPS, _PPS = 1, frozenset({2, 3, 4}), 5, 6, 7, 8  # nal_unit_type (table 7-1)
_END_OF_SEQUENCE, _END_OF_STREAM = 10, 11
_FILM_GRAIN: Final = 19  # payloadType of the message that changes the decoded picture
_HEAD: Final = 64  # bytes of a slice that hold all that is read of it
_I_SLICES: Final = frozenset({2, 7})
_MOST_SLICE_TYPE: Final = 9
_MOST_MACROBLOCKS: Final = 139_264
_HIGH: Final = 100
_ENCODER_IDS: Final = 32


@dataclass(frozen=True, slots=True)
class AvcForm:
    """The checked header of an H.264 stream. `length_size` 0 means start codes."""

    length_size: int
    sequences: dict[int, AvcSequence]
    pictures: dict[int, AvcPicture]
    codec: str = field(default="h264", init=False)

    @property
    def look(self) -> SequenceLook:
        """How all pictures are shown."""
        return next(iter(self.sequences.values())).look

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        """All parameter sets, as NAL units."""
        sequences = (sequence.unit for sequence in self.sequences.values())
        return (*sequences, *(picture.unit for picture in self.pictures.values()))

    @property
    def free_id(self) -> int:
        """A number for another stream's parameter sets. Raises UncopyableError if all are taken."""
        taken = self.sequences.keys() | self.pictures.keys()
        for number in range(_ENCODER_IDS):
            if number not in taken:
                return number
        raise UncopyableError("its parameter sets leave no number free")

    def reader(self) -> AvcReader:
        """Reads the packets of this stream, in decoding order."""
        return AvcReader(self)


def parse_avc_header(extradata: bytes) -> AvcForm:
    """Check the codec configuration, in either framing. Raises UncopyableError."""
    if extradata[:1] == b"\1":
        length_size, sets = _read_record(extradata)
    else:
        length_size, sets = 0, split_by_start_code(extradata)
    sequences: dict[int, AvcSequence] = {}
    for unit in (unit for unit in sets if unit[0] & 31 == _SPS):
        sequence = parse_avc_sequence(unit)
        if sequences.setdefault(sequence.number, sequence).unit != unit:
            raise UncopyableError("two parameter sets share a number")
    pictures: dict[int, AvcPicture] = {}
    for unit in (unit for unit in sets if unit[0] & 31 == _PPS):
        picture = parse_avc_picture(unit, sequences)
        if pictures.setdefault(picture.number, picture).unit != unit:
            raise UncopyableError("two parameter sets share a number")
    if not pictures:
        raise UncopyableError("its header holds no parameter sets")
    if len({sequence.look for sequence in sequences.values()}) > 1:
        raise UncopyableError("its parameter sets differ in what pictures look like")
    return AvcForm(length_size, sequences, pictures)


def _read_record(extradata: bytes) -> tuple[int, list[bytes]]:
    """AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1): bytes of a length, and parameter sets."""
    if len(extradata) < 7:
        raise UncopyableError("its header is cut short")
    units: list[bytes] = []
    at = _read_sets(extradata, 5, extradata[5] & 31, units)
    if at >= len(extradata):
        raise UncopyableError("its header is cut short")
    _read_sets(extradata, at, extradata[at], units)
    return (extradata[4] & 3) + 1, units


def _read_sets(extradata: bytes, at: int, count: int, units: list[bytes]) -> int:
    """Append `count` units that follow the byte at `at`; where the next byte is."""
    at += 1
    for _ in range(count):
        start = at + 2
        at = start + int.from_bytes(extradata[at:start], "big")
        unit = extradata[start:at].rstrip(b"\0")
        if at > len(extradata) or not unit or b"\0\0\1" in unit or b"\0\0\0" in unit:
            raise UncopyableError("its header is cut short")
        units.append(unit)
    return at


class AvcReader:
    """Takes packets apart, in decoding order from a key frame on; remembers parameter sets that change in between."""

    def __init__(self, form: AvcForm) -> None:
        self._form = form
        self._changed: set[tuple[int, int]] = set()

    def read(self, data: bytes) -> AccessUnit:
        """The picture in this packet. Raises UncopyableError if it must not be copied."""
        units = self._units(data)
        slices = [unit for unit in units if unit[0] & 31 in (_SLICE, _IDR)]
        if not slices:
            raise UncopyableError("a packet holds no picture")
        for unit in units:
            self._check_other(unit)
        return AccessUnit(tuple(slices), self._check_slices(slices))

    def look_at(self, data: bytes) -> None:
        """A packet that is not copied: only remember what changes in it."""
        with contextlib.suppress(UncopyableError):
            self._units(data)

    @property
    def sets_change(self) -> bool:
        """Whether parameter sets in force are not those of the header."""
        return bool(self._changed)

    def _units(self, data: bytes) -> list[bytes]:
        size = self._form.length_size
        units = split_by_length(data, size) if size else split_by_start_code(data)
        for unit in units:
            if unit[0] & 31 in (_SPS, _PPS):
                self._note(unit)
        return units

    def _note(self, unit: bytes) -> None:
        """A parameter set within the stream counts if it is the one that the header has."""
        kind = unit[0] & 31
        bits = BitReader(unit[1:_HEAD])
        if kind == _SPS:
            bits.u(24)
        number = bits.ue(MOST_PICTURE_SETS)
        known = self._form.sequences.get(number) if kind == _SPS else self._form.pictures.get(number)
        if known is not None and known.unit == unit:
            self._changed.discard((kind, number))
        else:
            self._changed.add((kind, number))

    def _check_other(self, unit: bytes) -> None:
        kind = unit[0] & 31
        if unit[0] & 128:
            raise UncopyableError("a unit is damaged")
        if kind in _PARTITIONS:
            raise UncopyableError("its pictures are cut into partitions")
        if kind == _SEI and _FILM_GRAIN in sei_kinds(unit[1:]):
            raise UncopyableError("its pictures get film grain when they are decoded")

    def _check_slices(self, slices: Sequence[bytes]) -> EntryPoint:
        """All slices are of one picture, in order. Raises UncopyableError."""
        last, same = -1, None
        for unit in slices:
            kind = unit[0] & 31
            bits = BitReader(unit[1:_HEAD])
            first, slice_type = bits.ue(_MOST_MACROBLOCKS), bits.ue(_MOST_SLICE_TYPE)
            picture = self._picture(bits.ue(MOST_PICTURE_SETS))
            sequence = self._form.sequences[picture.sequence]
            if first <= last or (last < 0 and first):
                raise UncopyableError("a packet holds more or less than a picture")
            last = first
            if sequence.separate_planes:
                raise UncopyableError("its colour planes are coded separately")
            number = bits.u(sequence.frame_number_bits)
            this = kind, bool(unit[0] & 96), number, picture.sequence
            if same is None:
                same = this
            if this != same:
                raise UncopyableError("a packet holds more than a picture")
            if kind == _IDR:
                self._check_idr(bits, sequence, picture, slice_type)
        return EntryPoint.CLOSED if slices[0][0] & 31 == _IDR else EntryPoint.NONE

    def _picture(self, number: int) -> AvcPicture:
        picture = self._form.pictures.get(number)
        if picture is None or (_PPS, number) in self._changed or (_SPS, picture.sequence) in self._changed:
            raise UncopyableError(SETS_CHANGE)
        if picture.redundant:
            raise UncopyableError("its pictures may be redundant")
        return picture

    @staticmethod
    def _check_idr(bits: BitReader, sequence: AvcSequence, picture: AvcPicture, slice_type: int) -> None:
        if slice_type not in _I_SLICES:
            raise UncopyableError("a key frame needs another picture")
        bits.ue(65_535)  # idr_pic_id
        if sequence.order_kind == 0:
            bits.u(sequence.order_bits)
            if picture.order_in_slices:
                bits.se(2**31 - 1)
        elif sequence.order_kind == 1 and not sequence.order_fixed:
            bits.se(2**31 - 1)
            if picture.order_in_slices:
                bits.se(2**31 - 1)
        if bits.flag():  # no_output_of_prior_pics_flag
            raise UncopyableError("a key frame drops the pictures before it")


def sei_kinds(payload: bytes) -> set[int]:
    """Kinds of the messages in a SEI unit, as far as they can be read; `payload` is without the unit's header."""
    kinds, at = set(), 0
    data = payload.replace(b"\0\0\3", b"\0\0")
    while at + 2 <= len(data):
        values = [0, 0]
        for index in range(2):
            while at < len(data) and data[at] == 0xFF:
                values[index] += 255
                at += 1
            if at < len(data):
                values[index] += data[at]
                at += 1
        kinds.add(values[0])
        at += values[1]
    return kinds


def join_avc_record(forms: Iterable[AvcForm]) -> bytes:
    """One record (avcC, lengths of four bytes) that holds the parameter sets of all.

    Raises UncopyableError if they share a number or look different.
    """
    known = list(forms)
    sequences = [sequence for form in known for sequence in form.sequences.values()]
    pictures = [picture for form in known for picture in form.pictures.values()]
    if len({found.number for found in sequences}) < len(sequences):
        raise UncopyableError("two sequences share a number")
    if len({found.number for found in pictures}) < len(pictures):
        raise UncopyableError("two parameter sets share a number")
    look = sequences[0].look
    if any(sequence.look != look for sequence in sequences):
        raise UncopyableError("copied and encoded pictures would look different")
    profile = max(sequence.profile for sequence in sequences)
    constraints = 0xFF
    for sequence in sequences:
        constraints &= sequence.constraints
    level = max(sequence.level for sequence in sequences)
    record = bytearray((1, profile, constraints, level, 0xFC | LENGTH_SIZE - 1, 0xE0 | len(sequences)))
    for sequence in sequences:
        record += len(sequence.unit).to_bytes(2, "big") + sequence.unit
    record.append(len(pictures))
    for picture in pictures:
        record += len(picture.unit).to_bytes(2, "big") + picture.unit
    if profile >= _HIGH:
        record += bytes((0xFC | look.chroma, 0xF8 | look.depth - 8, 0xF8 | look.depth - 8, 0))
    return bytes(record)
