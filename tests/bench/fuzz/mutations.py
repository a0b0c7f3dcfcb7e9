"""Ways to damage a file, each decided by a `Random` alone: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, Literal

from tests.bench.fuzz.remuxing import altered_times, lossy
from tests.bench.fuzz.seeds import Seed

Mutation = Callable[[Random, bytes, Seed], bytes]
_Order = Literal["little", "big"]

_INDEX: Final = (b"stsz", b"stco", b"stts", b"stsc", b"trak", b"mdia", b"mdat", b"tkhd", b"mdhd", b"elst")
_CLUSTERS: Final = (b"\x1f\x43\xb6\x75", b"\xa3", b"\xae", b"\xe0", b"\x16\x54\xae\x6b")
_NAMES: Final[dict[str, tuple[bytes, ...]]] = {
    "mp4": (*_INDEX, b"ctts", b"avc1", b"hvc1"),
    "mov": (*_INDEX, b"apcn", b"mp4v", b"jpeg"),
    "avi": (b"avih", b"strh", b"strf", b"00dc", b"01wb", b"idx1", b"movi", b"LIST"),
    "matroska": _CLUSTERS,
    "webm": _CLUSTERS,
    "mpegts": (b"\x00\x00\x01\xe0", b"\x00\x00\x01\xc0", b"\x47\x01"),
    "flv": (b"\x09\x00", b"\x08\x00"),
    "gif": (b"\x21\xf9\x04", b"\x2c\x00\x00", b"GIF89a"),
    "mjpeg": (b"\xff\xc0", b"\xff\xc4", b"\xff\xda", b"\xff\xdb", b"\xff\xd8"),
}
"""What numbers stand beside, by container."""
_HEAD: Final = 1024
"""Bytes at a file's beginning that are taken for its header where nothing else tells."""


def flipped_bits(chance: Random, data: bytes, seed: Seed) -> bytes:
    """From one bit to about one in a thousand bytes, anywhere."""
    return _flipped(chance, data, 0, len(data), round(2 ** chance.uniform(0, 6)))


def overwritten(chance: Random, data: bytes, seed: Seed) -> bytes:
    """One to four runs of bytes replaced by noise, zeros, ones or one repeated byte."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        begin, length = _run(chance, len(raw))
        fill = chance.choice((b"\0", b"\xff", bytes([chance.randrange(256)]), b""))
        raw[begin : begin + length] = fill * length if fill else chance.randbytes(length)
    return bytes(raw)


def removed(chance: Random, data: bytes, seed: Seed) -> bytes:
    """One to three blocks are missing."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        begin, length = _run(chance, len(raw))
        del raw[begin : begin + length]
    return bytes(raw)


def duplicated(chance: Random, data: bytes, seed: Seed) -> bytes:
    """A block is there once more, behind itself or somewhere else."""
    begin, length = _run(chance, len(data))
    at = begin + length if chance.random() < 0.5 else chance.randrange(len(data))
    return data[:at] + data[begin : begin + length] + data[at:]


def swapped(chance: Random, data: bytes, seed: Seed) -> bytes:
    """Two blocks of one length have changed places."""
    raw = bytearray(data)
    length = min(round(2 ** chance.uniform(2, 15)), len(raw) // 2)
    a = chance.randrange(len(raw) - 2 * length + 1)
    b = chance.randrange(a + length, len(raw) - length + 1)
    raw[a : a + length], raw[b : b + length] = raw[b : b + length], raw[a : a + length]
    return bytes(raw)


def truncated(chance: Random, data: bytes, seed: Seed) -> bytes:
    """Only the beginning, of any length; now and then followed by what is not the rest."""
    kept = data[: chance.randrange(1, len(data))]
    return kept + (chance.randbytes(chance.randrange(1, 4096)) if chance.random() < 0.2 else b"")


def damaged_header(chance: Random, data: bytes, seed: Seed) -> bytes:
    """Bits or bytes of the header alone: the beginning, or the index of MP4 and MOV."""
    begin, end = 0, min(_HEAD, len(data))
    if seed.container in ("mp4", "mov") and (index := data.find(b"moov")) > 0 and chance.random() < 0.85:
        begin, end = index - 4, len(data)
    if chance.random() < 0.5:
        return _flipped(chance, data, begin, end, chance.randint(1, 16))
    raw = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(begin, end)
        length = min(chance.randint(1, 12), end - at)
        raw[at : at + length] = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return bytes(raw)


def wrong_sizes(chance: Random, data: bytes, seed: Seed) -> bytes:
    """Numbers that can be sizes, counts or offsets say something else."""
    raw = bytearray(data)
    places = _sizes(raw, seed)
    for _ in range(chance.randint(1, 3)):
        at, width, order = chance.choice(places)
        value = int.from_bytes(raw[at : at + width], order)
        most = 256**width - 1
        wrong = chance.choice(
            (
                0,
                1,
                most,
                most >> 1,
                value + 1,
                value - 1,
                value * 2,
                value // 2,
                value ^ 1 << chance.randrange(8 * width),
            )
        )
        raw[at : at + width] = (max(0, wrong) & most).to_bytes(width, order)
    return bytes(raw)


def several(chance: Random, data: bytes, seed: Seed) -> bytes:
    """Two or three of the others, one after the other."""
    for mutation in chance.sample((flipped_bits, overwritten, removed, duplicated, swapped, wrong_sizes), 2):
        data = mutation(chance, data, seed)
    return truncated(chance, data, seed) if chance.random() < 0.2 else data


MUTATIONS: Final[dict[str, Mutation]] = {
    "bits": flipped_bits,
    "overwritten": overwritten,
    "removed": removed,
    "duplicated": duplicated,
    "swapped": swapped,
    "truncated": truncated,
    "header": damaged_header,
    "packets": lossy,
    "sizes": wrong_sizes,
    "times": altered_times,
    "several": several,
}


def _flipped(chance: Random, data: bytes, begin: int, end: int, count: int) -> bytes:
    raw = bytearray(data)
    for _ in range(count):
        raw[chance.randrange(begin, end)] ^= 1 << chance.randrange(8)
    return bytes(raw)


def _run(chance: Random, size: int) -> tuple[int, int]:
    """Where, and how many bytes: from one to a quarter of the file, short ones as often as long ones."""
    length = max(1, min(round(2 ** chance.uniform(0, 16)), size // 4))
    return chance.randrange(max(1, size - length)), length


def _sizes(raw: bytearray, seed: Seed) -> list[tuple[int, int, _Order]]:
    """Places of numbers: (offset, bytes, byte order). Those around known names, else any that fit into the file."""
    names = _NAMES[seed.container]
    order: _Order = "little" if seed.container in ("avi", "gif") else "big"
    places: list[tuple[int, int, _Order]] = []
    for name in names:
        at, found = raw.find(name), 0
        while at >= 0 and found < 20:
            for offset in (-4, len(name), len(name) + 4, len(name) + 8, len(name) + 12):
                for width in (1, 2, 4):
                    if 0 <= at + offset <= len(raw) - width:
                        places.append((at + offset, width, order))
            at, found = raw.find(name, at + 1), found + 1
    return places or [(at, 4, order) for at in range(0, max(1, min(len(raw) - 4, 4096)), 4)]
