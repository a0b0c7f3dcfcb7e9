"""Parts that several parameter sets of HEVC hold; nothing in them matters here but where they end. No I/O."""

from __future__ import annotations

from streamer.gops.bits import BitReader
from streamer.gops.uncopyable import UncopyableError

_LARGEST = 2**32 - 2
_MOST_REFERENCES = 16
_FARTHEST = 2**15 - 1


def skip_decoder_model(bits: BitReader, *, common: bool, layers: int) -> None:
    """hrd_parameters (HEVC, E.2.2); `layers` beside the lowest one."""
    kinds, parts = 0, False
    if common:
        kinds = bits.flag() + bits.flag()
        if kinds:
            parts = bits.flag()
            bits.u(19 if parts else 0)
            bits.u(8)  # bit_rate_scale, cpb_size_scale
            bits.u(4 if parts else 0)
            bits.u(15)
    for _ in range(layers + 1):
        low_delay, count = False, 1
        fixed = bits.flag() or bits.flag()  # in general, or at least within a sequence
        if fixed:
            bits.ue(2047)
        else:
            low_delay = bits.flag()
        if not low_delay:
            count = 1 + bits.ue(31)
        for _ in range(kinds * count):
            for _ in range(4 if parts else 2):
                bits.ue(_LARGEST)
            bits.flag()


def skip_scaling_data(bits: BitReader) -> None:
    """scaling_list_data (HEVC, 7.3.4)."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.flag():
                bits.ue(5)
                continue
            if size > 1:
                bits.se(255)
            for _ in range(min(64, 1 << 4 + 2 * size)):
                bits.se(128)


def skip_reference_sets(bits: BitReader) -> None:
    """All st_ref_pic_set of a sequence (HEVC, 7.3.7 and 7.4.8), with their number."""
    before: list[int] = []  # distances: those of earlier pictures, nearest first, then those of later ones
    for index in range(bits.ue(64)):
        if index and bits.flag():
            sign = -1 if bits.flag() else 1
            moved = sign * (1 + bits.ue(_FARTHEST))
            kept = [distance + moved for distance in (*before, 0) if bits.flag() or bits.flag()]
            earlier = sorted((distance for distance in kept if distance < 0), reverse=True)
            before = [*earlier, *sorted(distance for distance in kept if distance > 0)]
        else:
            counts = bits.ue(_MOST_REFERENCES), bits.ue(_MOST_REFERENCES)
            before = []
            for sign, count in zip((-1, 1), counts, strict=True):
                distance = 0
                for _ in range(count):
                    distance += sign * (1 + bits.ue(_FARTHEST))
                    bits.flag()
                    before.append(distance)
        if len(before) > _MOST_REFERENCES:
            raise UncopyableError("a header holds a number out of bounds")
