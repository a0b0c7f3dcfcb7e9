"""Gives the parameter sets of an HEVC encoder other numbers, so that a source's can stand beside them. No I/O.

libx265 numbers all of its sets 0. In its slices, one bit names the picture parameter set; numbers from 15 to 30 take
nine, so the rest of a slice moves by exactly one byte and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Final

from streamer.gops.bits import BitReader
from streamer.gops.hevc import FIRST_IRAP, LAST_IRAP, HevcForm, hevc_form, unit_kind
from streamer.gops.hevc_sets import HEADER, MOST_PICTURE_SETS
from streamer.gops.uncopyable import UncopyableError

_NINE_BITS: Final = tuple(number for number in range(30, 14, -1) if (number + 1) & 3)
"""Numbers that take nine bits, of which the last two are not zeros: the second byte is then never zero."""
_SETS: Final = range(16)


class Renumbered:
    """An encoder's stream whose parameter sets have numbers that `source` leaves free.

    `form` is its header. Raises UncopyableError if there are none left, or if the encoder has more than one of a kind.
    """

    def __init__(self, encoder: HevcForm, source: HevcForm) -> None:
        if not len(encoder.streams) == len(encoder.sequences) == len(encoder.pictures) == 1:
            raise UncopyableError("the encoder has several parameter sets")
        (stream,), (sequence,), (picture,) = (
            tuple(encoder.streams.values()),
            tuple(encoder.sequences.values()),
            tuple(encoder.pictures.values()),
        )
        if picture.number:
            raise UncopyableError("the encoder numbers its parameter sets otherwise")
        streams = _free(_SETS, source.streams)
        sequences, self._picture = _free(_SETS, source.sequences), _free(_NINE_BITS, source.pictures)
        self.form = hevc_form(
            encoder.length_size,
            (
                _edited(stream.unit, (0, 4, f"{streams:04b}")),
                _edited(
                    sequence.unit,
                    (sequence.place, _length(sequence.number), _code(sequences)),
                    (0, 4, f"{streams:04b}"),
                ),
                _edited(picture.unit, (0, 1 + _length(picture.sequence), _code(self._picture) + _code(sequences))),
            ),
        )

    def slice(self, unit: bytes) -> bytes:
        """A slice of the encoder with the new number. Raises UncopyableError if it does not name set 0."""
        flags = 2 if FIRST_IRAP <= unit_kind(unit) <= LAST_IRAP else 1
        bits = BitReader(unit[HEADER : HEADER + 8])
        bits.u(flags)
        if bits.ue(MOST_PICTURE_SETS):
            raise UncopyableError("the encoder numbers its parameter sets otherwise")
        first, rest = unit[HEADER], 7 - flags
        head = first >> 8 - flags << 16 - flags | self._picture + 1 << rest | first & (1 << rest) - 1
        return unit[:HEADER] + head.to_bytes(2, "big") + unit[HEADER + 1 :]


def _free(numbers: Iterable[int], taken: Container[int]) -> int:
    for number in numbers:
        if number not in taken:
            return number
    raise UncopyableError("its parameter sets leave no number free")


def _code(number: int) -> str:
    """The Exp-Golomb code of a number."""
    return f"{number + 1:0{_length(number)}b}"


def _length(number: int) -> int:
    return 2 * (number + 1).bit_length() - 1


def _edited(unit: bytes, *changes: tuple[int, int, str]) -> bytes:
    """The unit with other bits in its payload: each change, the last one first, is a place, a length and new bits."""
    payload = unit[HEADER:].replace(b"\0\0\3", b"\0\0")
    bits = f"{int.from_bytes(payload, 'big'):0{8 * len(payload)}b}".rstrip("0")
    for place, length, new in changes:
        bits = bits[:place] + new + bits[place + length :]
    bits += "0" * (-len(bits) % 8)
    changed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return unit[:HEADER] + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", changed)
