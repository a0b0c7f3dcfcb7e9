"""Parameter sets of HEVC: read to their very end, refused if anything in them is out of bounds or unknown. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamer.gops.bits import BitReader
from streamer.gops.hevc_parts import skip_decoder_model, skip_reference_sets, skip_scaling_data
from streamer.gops.sequence import SequenceLook, Signal, cropped, read_signal
from streamer.gops.uncopyable import UncopyableError

HEADER: Final = 2  # bytes of a NAL unit's header
MOST_PICTURE_SETS: Final = 63
_MOST_SETS: Final = 15
_PROFILES: Final = frozenset({1, 2, 4})
_LARGEST: Final = 2**32 - 2
_LONGEST_SIDE: Final = 16_384
_MOST_LAYERS: Final = 6


@dataclass(frozen=True, slots=True)
class HevcProfile:
    """What a decoder needs (HEVC, 7.3.3): tier, profile, flags and level."""

    tier: int
    profile: int
    compatibility: int
    constraints: int
    level: int


@dataclass(frozen=True, slots=True)
class HevcStream:
    """A video parameter set (HEVC, 7.3.2.1)."""

    unit: bytes
    number: int


@dataclass(frozen=True, slots=True)
class HevcSequence:
    """A sequence parameter set (HEVC, 7.3.2.2). `place` is the first bit of its number, behind the unit's header."""

    unit: bytes
    number: int
    stream: int
    look: SequenceLook
    profile: HevcProfile
    layers: int
    nested: bool
    place: int


@dataclass(frozen=True, slots=True)
class HevcPicture:
    """A picture parameter set (HEVC, 7.3.2.3)."""

    unit: bytes
    number: int
    sequence: int


def parse_hevc_stream(unit: bytes) -> HevcStream:
    """Raises UncopyableError if there is more than the base layer."""
    bits = BitReader(unit[HEADER:])
    number = bits.u(4)
    if bits.u(2) != 3 or bits.u(6):
        raise UncopyableError("it has several layers")
    layers = _sub_layers(bits)
    bits.flag()
    if bits.u(16) != 0xFFFF:
        raise UncopyableError("a parameter set is unknown")
    _read_profile(bits, layers)
    _skip_ordering(bits, layers)
    highest = bits.u(6)
    for _ in range(bits.ue(1023)):
        bits.u(highest + 1)
    if bits.flag():  # vps_timing_info_present_flag
        bits.u(64)
        if bits.flag():
            bits.ue(_LARGEST)
        for index in range(bits.ue(1024)):
            bits.ue(1023)
            skip_decoder_model(bits, common=index == 0 or bits.flag(), layers=layers)
    if bits.flag():
        raise UncopyableError("it has several layers")
    bits.finish()
    return HevcStream(unit, number)


def _sub_layers(bits: BitReader) -> int:
    """Temporal layers beside the lowest one."""
    layers = bits.u(3)
    if layers > _MOST_LAYERS:
        raise UncopyableError("a header holds a number out of bounds")
    return layers


def _read_profile(bits: BitReader, layers: int) -> HevcProfile:
    if bits.u(2):
        raise UncopyableError("a parameter set is unknown")
    profile = HevcProfile(bits.u(1), bits.u(5), bits.u(32), bits.u(48), bits.u(8))
    if profile.profile not in _PROFILES:
        raise UncopyableError(f"HEVC's profile {profile.profile} is not copied")
    flags = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.u(2 * (8 - layers))
    for has_profile, has_level in flags:
        bits.u(88 * has_profile + 8 * has_level)
    return profile


def _skip_ordering(bits: BitReader, layers: int) -> None:
    for _ in range(layers + 1 if bits.flag() else 1):
        bits.ue(16)
        bits.ue(16)
        bits.ue(_LARGEST)


def parse_hevc_sequence(unit: bytes, streams: dict[int, HevcStream]) -> HevcSequence:
    """Raises UncopyableError for anything but frames of at most 4:4:4."""
    bits = BitReader(unit[HEADER:])
    stream, layers, nested = bits.u(4), _sub_layers(bits), bits.flag()
    if stream not in streams:
        raise UncopyableError("a parameter set is missing")
    profile = _read_profile(bits, layers)
    place = bits.position
    number, chroma = bits.ue(_MOST_SETS), bits.ue(3)
    if chroma == 3 and bits.flag():
        raise UncopyableError("its colour planes are coded separately")
    width, height = bits.ue(_LONGEST_SIDE), bits.ue(_LONGEST_SIDE)
    if bits.flag():
        width, height = cropped(bits, width, height, chroma)
    if width <= 0 or height <= 0:
        raise UncopyableError("its pictures have no size")
    depth, chroma_depth = 8 + bits.ue(8), 8 + bits.ue(8)
    if chroma and depth != chroma_depth:
        raise UncopyableError("luma and chroma differ in depth")
    order_bits = 4 + bits.ue(12)
    _skip_ordering(bits, layers)
    for _ in range(6):  # sizes of blocks, depths of their trees
        bits.ue(5)
    if bits.flag() and bits.flag():
        skip_scaling_data(bits)
    bits.u(2)  # amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.flag():  # pcm_enabled_flag
        bits.u(8)
        bits.ue(5)
        bits.ue(5)
        bits.flag()
    skip_reference_sets(bits)
    if bits.flag():  # long_term_ref_pics_present_flag
        for _ in range(bits.ue(32)):
            bits.u(order_bits + 1)
    bits.u(2)  # sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    signal = _read_usability(bits, layers) if bits.flag() else Signal()
    if bits.flag():  # sps_extension_present_flag
        ranged = bits.flag()
        if bits.u(7):
            raise UncopyableError("a parameter set is unknown")
        if ranged:
            bits.u(9)
    bits.finish()
    look = SequenceLook(width, height, chroma, depth, signal)
    return HevcSequence(unit, number, stream, look, profile, layers + 1, nested, place)


def _read_usability(bits: BitReader, layers: int) -> Signal:
    signal = read_signal(bits)
    bits.flag()  # neutral_chroma_indication_flag
    if bits.flag():
        raise UncopyableError("it may be interlaced")
    bits.flag()  # frame_field_info_present_flag
    if bits.flag():  # default_display_window_flag
        for _ in range(4):
            bits.ue(_LONGEST_SIDE)
    if bits.flag():  # vui_timing_info_present_flag
        bits.u(64)
        if bits.flag():
            bits.ue(_LARGEST)
        if bits.flag():
            skip_decoder_model(bits, common=True, layers=layers)
    if bits.flag():  # bitstream_restriction_flag
        bits.u(3)
        bits.ue(4095)
        for _ in range(4):
            bits.ue(16)
    return signal


def parse_hevc_picture(unit: bytes, sequences: dict[int, HevcSequence]) -> HevcPicture:
    """Raises UncopyableError if it belongs to no sequence, or if slices may hold more than is understood."""
    bits = BitReader(unit[HEADER:])
    number, sequence = bits.ue(MOST_PICTURE_SETS), bits.ue(_MOST_SETS)
    if sequence not in sequences:
        raise UncopyableError("a parameter set is missing")
    bits.flag()  # dependent_slice_segments_enabled_flag
    if bits.flag():
        raise UncopyableError("some pictures may not be shown")
    if bits.u(3):
        raise UncopyableError("its slices hold something unknown")
    bits.u(2)  # sign_data_hiding_enabled_flag, cabac_init_present_flag
    bits.ue(14)
    bits.ue(14)
    bits.se(26 + 48)  # init_qp_minus26
    bits.flag()  # constrained_intra_pred_flag
    skips = bits.flag()  # transform_skip_enabled_flag
    if bits.flag():  # cu_qp_delta_enabled_flag
        bits.ue(3)
    bits.se(12)
    bits.se(12)
    bits.u(4)  # slice_chroma_qp_offsets, weighted_pred, weighted_bipred, transquant_bypass
    tiled = bits.flag()
    bits.flag()  # entropy_coding_sync_enabled_flag
    if tiled:
        _skip_tiles(bits)
    bits.flag()  # pps_loop_filter_across_slices_enabled_flag
    if bits.flag():  # deblocking_filter_control_present_flag
        bits.flag()
        if not bits.flag():
            bits.se(6)
            bits.se(6)
    if bits.flag():
        skip_scaling_data(bits)
    bits.flag()  # lists_modification_present_flag
    bits.ue(4)  # log2_parallel_merge_level_minus2
    if bits.flag():
        raise UncopyableError("its slices hold something unknown")
    if bits.flag():
        _skip_range_extension(bits, skips)
    bits.finish()
    return HevcPicture(unit, number, sequence)


def _skip_tiles(bits: BitReader) -> None:
    columns, rows = bits.ue(19), bits.ue(21)
    if not bits.flag():
        for _ in range(columns + rows):
            bits.ue(_LONGEST_SIDE)
    bits.flag()  # loop_filter_across_tiles_enabled_flag


def _skip_range_extension(bits: BitReader, skips: bool) -> None:
    ranged = bits.flag()
    if bits.u(7):
        raise UncopyableError("a parameter set is unknown")
    if not ranged:
        return
    if skips:
        bits.ue(3)
    bits.flag()  # cross_component_prediction_enabled_flag
    if bits.flag():  # chroma_qp_offset_list_enabled_flag
        bits.ue(3)
        for _ in range(bits.ue(5) + 1):
            bits.se(12)
            bits.se(12)
    bits.ue(8)
    bits.ue(8)
