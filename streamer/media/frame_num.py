"""Finds missing reference pictures in an H.264 stream by gaps in `frame_num`.

A relay that lost a picture between the camera and itself forwards the rest without a gap in its RTP sequence numbers,
and a file may lack a packet. In both cases FFmpeg's decoder fills the hole with an older picture and does not flag it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from streamer.media.h264 import nal_units, parse_avcc

_SLICE, _IDR, _SPS = 1, 5, 7  # nal_unit_type (H.264, table 7-1)
_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_HEAD = 400  # bytes of a NAL unit that contain everything read here, scaling lists included
_DEEPEST = 32  # most leading zeros of an Exp-Golomb code


class _Bits:
    """Reads a NAL unit bit by bit (H.264, 7.2 and 9.1). Raises ValueError past its end."""

    def __init__(self, unit: bytes) -> None:
        data = unit[1:_HEAD].replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def u(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("the NAL unit ends too early")
        return self._value >> self._left & (1 << count) - 1

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _DEEPEST:
                raise ValueError("not an Exp-Golomb code")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


@dataclass(frozen=True, slots=True)
class _Numbering:
    """What an SPS says about frame_num (H.264, 7.3.2.1.1)."""

    bits: int
    gaps_allowed: bool
    separate_planes: bool


class FrameNumbers:
    """Checks every packet of an H.264 stream, in decoding order.

    `extradata` is the container's codec configuration; it tells how packets are split into NAL units.
    """

    def __init__(self, extradata: bytes | None = None) -> None:
        self._numbering: _Numbering | None = None
        self._last: int | None = None
        avcc = parse_avcc(extradata)
        self._units = nal_units if avcc is None else avcc.units
        for unit in () if avcc is None else avcc.parameter_sets:
            with contextlib.suppress(ValueError):
                self._numbering = _numbering(unit)

    def gap(self, data: bytes) -> bool:
        """Whether a reference picture is missing before this access unit, or its header cannot be read."""
        missing, seen = False, False
        for unit in self._units(data):
            kind = unit[0] & 31
            try:
                if kind == _SPS:
                    self._numbering = _numbering(unit)
                elif kind in (_SLICE, _IDR) and not seen:
                    seen = True
                    missing = self._slice(unit, kind == _IDR)
            except ValueError:
                missing = True
        return missing

    def _slice(self, unit: bytes, idr: bool) -> bool:
        numbering = self._numbering
        if numbering is None:
            return False
        bits = _Bits(unit)
        for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
            bits.ue()
        if numbering.separate_planes:
            bits.u(2)
        number, last = bits.u(numbering.bits), self._last
        reference = bool(unit[0] >> 5 & 3)
        gap = not (idr or last is None or numbering.gaps_allowed) and number not in (
            last,  # the second field, or a picture after a non-reference picture
            (last + 1) % (1 << numbering.bits),
        )
        if reference or gap:
            self._last = number
        return gap


def _numbering(unit: bytes) -> _Numbering:
    bits = _Bits(unit)
    profile = bits.u(8)
    bits.u(16)  # constraint flags, level_idc
    bits.ue()  # seq_parameter_set_id
    separate = False
    if profile in _CHROMA_PROFILES:
        chroma = bits.ue()
        separate = chroma == 3 and bool(bits.u(1))
        bits.ue()  # bit_depth_luma_minus8
        bits.ue()  # bit_depth_chroma_minus8
        bits.u(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.u(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    number_bits = bits.ue() + 4
    order = bits.ue()
    if order == 0:
        bits.ue()  # log2_max_pic_order_cnt_lsb_minus4
    elif order == 1:
        bits.u(1)  # delta_pic_order_always_zero_flag
        bits.se()  # offset_for_non_ref_pic
        bits.se()  # offset_for_top_to_bottom_field
        for _ in range(bits.ue()):
            bits.se()
    bits.ue()  # max_num_ref_frames
    return _Numbering(number_bits, bool(bits.u(1)), separate)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last
