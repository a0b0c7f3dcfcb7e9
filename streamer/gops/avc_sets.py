"""Parameter sets of H.264: read to their very end, refused if anything in them is out of bounds or unknown. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.gops.bits import BitReader
from streamer.gops.sequence import SequenceLook, Signal, cropped, read_signal, skip_scaling_list
from streamer.gops.uncopyable import UncopyableError

_WITH_CHROMA = frozenset({100, 110, 122, 244})
_PROFILES = frozenset({66, 77, 88}) | _WITH_CHROMA
_MOST_SETS = 31
MOST_PICTURE_SETS = 255
_LARGEST = 2**32 - 2
_MOST_MACROBLOCKS = 1023  # a side; 16,368 pixels


@dataclass(frozen=True, slots=True)
class AvcSequence:
    """A sequence parameter set (H.264, 7.3.2.1)."""

    unit: bytes
    number: int
    profile: int
    constraints: int
    level: int
    look: SequenceLook
    frame_number_bits: int
    order_kind: int
    order_bits: int
    order_fixed: bool
    separate_planes: bool


@dataclass(frozen=True, slots=True)
class AvcPicture:
    """A picture parameter set (H.264, 7.3.2.2)."""

    unit: bytes
    number: int
    sequence: int
    order_in_slices: bool
    redundant: bool


def parse_avc_sequence(unit: bytes) -> AvcSequence:
    """Raises UncopyableError for anything but frames of at most 4:4:4 without gaps in their numbers."""
    bits = BitReader(unit[1:])
    profile, constraints, level = bits.u(8), bits.u(8), bits.u(8)
    if profile not in _PROFILES:
        raise UncopyableError(f"H.264's profile {profile} is not copied")
    number = bits.ue(_MOST_SETS)
    chroma, luma_depth, chroma_depth, separate = 1, 8, 8, False
    if profile in _WITH_CHROMA:
        chroma = bits.ue(3)
        separate = chroma == 3 and bits.flag()
        luma_depth, chroma_depth = 8 + bits.ue(6), 8 + bits.ue(6)
        bits.flag()  # qpprime_y_zero_transform_bypass_flag
        if bits.flag():
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    if chroma and luma_depth != chroma_depth:
        raise UncopyableError("luma and chroma differ in depth")
    frame_number_bits = 4 + bits.ue(12)
    order_kind, order_bits, order_fixed = bits.ue(2), 0, False
    if order_kind == 0:
        order_bits = 4 + bits.ue(12)
    elif order_kind == 1:
        order_fixed = bits.flag()
        bits.se(2**31 - 1)
        bits.se(2**31 - 1)
        for _ in range(bits.ue(255)):
            bits.se(2**31 - 1)
    bits.ue(16)  # max_num_ref_frames
    if bits.flag():
        raise UncopyableError("gaps in the numbers of its pictures are allowed")
    columns, rows = 1 + bits.ue(_MOST_MACROBLOCKS), 1 + bits.ue(_MOST_MACROBLOCKS)
    if not bits.flag():
        raise UncopyableError("it may be interlaced")
    bits.flag()  # direct_8x8_inference_flag
    width, height = _cropped(bits, columns, rows, 0 if separate else chroma)
    signal = _read_usability(bits) if bits.flag() else Signal()
    bits.finish()
    look = SequenceLook(width, height, chroma, luma_depth, signal)
    return AvcSequence(
        *(unit, number, profile, constraints, level, look),
        *(frame_number_bits, order_kind, order_bits, order_fixed, separate),
    )


def _cropped(bits: BitReader, columns: int, rows: int, chroma: int) -> tuple[int, int]:
    width, height = 16 * columns, 16 * rows
    if bits.flag():
        width, height = cropped(bits, width, height, chroma)
    if width <= 0 or height <= 0:
        raise UncopyableError("its pictures have no size")
    return width, height


def _skip_scaling_lists(bits: BitReader, count: int) -> None:
    for index in range(count):
        if bits.flag():
            skip_scaling_list(bits, 16 if index < 6 else 64)


def _read_usability(bits: BitReader) -> Signal:
    signal = read_signal(bits)
    if bits.flag():  # timing_info_present_flag
        bits.u(65)
    coded = bits.flag()
    if coded:
        _skip_decoder_model(bits)
    packets = bits.flag()
    if packets:
        _skip_decoder_model(bits)
    if coded or packets:
        bits.flag()  # low_delay_hrd_flag
    bits.flag()  # pic_struct_present_flag
    if bits.flag():  # bitstream_restriction_flag
        bits.flag()
        for most in (16, 16, 16, 16, 16, 16):
            bits.ue(most)
    return signal


def _skip_decoder_model(bits: BitReader) -> None:
    count = 1 + bits.ue(31)
    bits.u(8)
    for _ in range(count):
        bits.ue(_LARGEST)
        bits.ue(_LARGEST)
        bits.flag()
    bits.u(20)


def parse_avc_picture(unit: bytes, sequences: dict[int, AvcSequence]) -> AvcPicture:
    """Raises UncopyableError if it belongs to no sequence or orders macroblocks in groups."""
    bits = BitReader(unit[1:])
    number, sequence = bits.ue(MOST_PICTURE_SETS), bits.ue(_MOST_SETS)
    if sequence not in sequences:
        raise UncopyableError("a parameter set is missing")
    bits.flag()  # entropy_coding_mode_flag
    order_in_slices = bits.flag()
    if bits.ue(7):
        raise UncopyableError("its macroblocks are in groups")
    bits.ue(31)
    bits.ue(31)
    bits.u(3)  # weighted_pred_flag, weighted_bipred_idc
    for _ in range(2):
        bits.se(62)
    bits.se(12)
    bits.u(2)  # deblocking_filter_control_present_flag, constrained_intra_pred_flag
    redundant = bits.flag()
    if bits.more:
        larger = bits.flag()  # transform_8x8_mode_flag
        if bits.flag():
            count = 6 if sequences[sequence].look.chroma == 3 else 2
            _skip_scaling_lists(bits, 6 + (count if larger else 0))
        bits.se(12)
    bits.finish()
    return AvcPicture(unit, number, sequence, order_in_slices, redundant)
