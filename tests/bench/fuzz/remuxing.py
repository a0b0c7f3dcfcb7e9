"""Damage between packets, whose bytes stay whole: some are lost on the way, or their time stamps are wrong."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

import av
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from tests.bench.fuzz.seeds import Seed

_BITEXACT: Final = 0x400


@dataclass(frozen=True)
class Stamp:
    """Time stamps of a picture in units of its stream's time base."""

    pts: int
    dts: int


def lossy(chance: Random, data: bytes, seed: Seed) -> bytes:
    """Some packets are not there: a single one, a run, each with some probability, or all of one kind."""
    kind = chance.choice(("one", "one", "run", "some", "most", "keys", "sound"))
    first, length = chance.randrange(30), chance.randint(2, 12)
    share = {"some": chance.uniform(0.02, 0.3), "most": chance.uniform(0.5, 0.95)}.get(kind, 0.0)

    def kept(number: int, packet: Packet[Stream]) -> bool:
        if packet.stream.type != "video":
            return kind != "sound" or chance.random() < 0.7
        match kind:
            case "one":
                return number != first
            case "run":
                return not first <= number < first + length
            case "keys":
                return number == 0 or not packet.is_keyframe
        return chance.random() >= share

    return _remuxed(data, seed, kept, lambda stamps, _: stamps)


def altered_times(chance: Random, data: bytes, seed: Seed) -> bytes:
    """Time stamps that say something else. What has none, MJPEG on its own, is thinned instead."""
    if seed.container == "mjpeg":
        step = chance.choice((2, 4, 10))
        return _remuxed(data, seed, lambda number, _: number % step == 0, lambda stamps, _: stamps)
    if seed.container == "gif":
        return _delays(chance, data)
    change = chance.choice((_faster, _slower, _shuffled, _equal, _gap, _backwards, _huge, _negative, _noisy))
    thinned = chance.choice((1, 1, 2, 4, 10)) if seed.codec in ("mjpeg", "prores_ks") else 1
    amount = chance.uniform(0, 1)

    def kept(number: int, packet: Packet[Stream]) -> bool:
        return packet.stream.type != "video" or number % thinned == 0

    return _remuxed(data, seed, kept, lambda stamps, base: change(chance, stamps, base, amount))


def _remuxed(
    data: bytes,
    seed: Seed,
    kept: Callable[[int, Packet[Stream]], bool],
    change: Callable[[list[Stamp], float], list[Stamp]],
) -> bytes:
    """The same packets, but for those that are not `kept`, with changed stamps; whatever of it can be written."""
    with av.open(io.BytesIO(data), "r") as source:
        streams = [s for s in source.streams if s.type in ("video", "audio")]
        packets: list[Packet[Stream]] = []
        count = 0
        for packet in source.demux(*streams):
            if not packet.size:
                continue
            if kept(count, packet):
                packets.append(packet)
            count += packet.stream.type == "video"
        pictures = [p for p in packets if p.stream.type == "video"]
        stamps = [Stamp(p.pts or 0, p.dts if p.dts is not None else p.pts or 0) for p in pictures]
        base = float(pictures[0].time_base) if pictures else 1.0
        for packet, stamp in zip(pictures, change(stamps, base), strict=True):
            packet.pts, packet.dts = stamp.pts, stamp.dts
        target = io.BytesIO()
        # The muxer is to take the stamps as they are; what it refuses is left out, as by a recorder that does so.
        options = {"avoid_negative_ts": "disabled"}
        with (
            suppress(FFmpegError, ValueError, OverflowError),
            av.open(target, "w", seed.container, container_options=options) as container,
        ):
            container.flags |= _BITEXACT
            copies = {s.index: container.add_stream_from_template(s, opaque=True) for s in streams}
            for packet in packets:
                packet.stream = copies[packet.stream_index]
                with suppress(FFmpegError, ValueError):
                    container.mux(packet)
        return target.getvalue() or data


def _scaled(stamps: Sequence[Stamp], factor: float) -> list[Stamp]:
    return [Stamp(round(s.pts * factor), round(s.dts * factor)) for s in stamps]


def _faster(chance: Random, stamps: list[Stamp], base: float, amount: float) -> list[Stamp]:
    """As if filmed at 100 to 1000 pictures a second, or as near as the time base allows."""
    return _increasing(_scaled(stamps, 1 / (4 + 36 * amount)))


def _slower(chance: Random, stamps: list[Stamp], base: float, amount: float) -> list[Stamp]:
    return _scaled(stamps, 1 + 50 * amount)


def _shuffled(chance: Random, stamps: list[Stamp], base: float, amount: float) -> list[Stamp]:
    order = stamps[:]
    chance.shuffle(order)
    return [Stamp(other.pts, own.dts) for own, other in zip(stamps, order, strict=True)]


def _equal(chance: Random, stamps: list[Stamp], base: float, amount: float) -> list[Stamp]:
    """All of a run have one time."""
    begin = chance.randrange(max(1, len(stamps)))
    end = begin + chance.randint(2, 30)
    same = stamps[begin] if stamps else Stamp(0, 0)
    return [Stamp(same.pts, s.dts) if begin <= i < end else s for i, s in enumerate(stamps)]


def _gap(chance: Random, stamps: list[Stamp], base: float, amount: float) -> list[Stamp]:
    """From somewhere on all is later, by up to an hour."""
    begin = chance.randrange(max(1, len(stamps)))
    later = round(chance.choice((0.5, 5.0, 100.0, 3600.0)) * amount / base)
    return [Stamp(s.pts + later, s.dts + later) if i >= begin else s for i, s in enumerate(stamps)]


def _backwards(chance: Random, stamps: list[Stamp], base: float, amount: float) -> list[Stamp]:
    """From somewhere on time begins anew."""
    begin = chance.randrange(max(1, len(stamps)))
    earlier = stamps[begin].pts if stamps else 0
    return [Stamp(s.pts - earlier, s.dts - earlier) if i >= begin else s for i, s in enumerate(stamps)]


def _huge(chance: Random, stamps: list[Stamp], base: float, amount: float) -> list[Stamp]:
    offset = chance.choice((2**31 - 20_000, 2**32, 2**33 - 50_000, 2**40, 2**61))
    return [Stamp(s.pts + offset, s.dts + offset) for s in stamps]


def _negative(chance: Random, stamps: list[Stamp], base: float, amount: float) -> list[Stamp]:
    offset = round((0.1 + 100 * amount) / base)
    return [Stamp(s.pts - offset, s.dts - offset) for s in stamps]


def _noisy(chance: Random, stamps: list[Stamp], base: float, amount: float) -> list[Stamp]:
    far = max(1, round(0.2 * amount / base))
    return _increasing([Stamp(s.pts + chance.randint(-far, far), s.dts) for s in stamps])


def _increasing(stamps: list[Stamp]) -> list[Stamp]:
    """With decoding times that a muxer accepts, and no picture shown before it is decoded."""
    out: list[Stamp] = []
    last = -(2**62)
    for stamp in stamps:
        last = max(stamp.dts, last + 1)
        out.append(Stamp(max(stamp.pts, last), last))
    return out


def _delays(chance: Random, data: bytes) -> bytes:
    """A GIF whose pictures are shown for other times; hundredths of a second."""
    raw, at = bytearray(data), data.find(b"\x21\xf9\x04")
    one = chance.choice((None, 0, 1, 2, 65535, chance.randrange(200)))
    while at >= 0:
        delay = chance.choice((0, 1, 2, 4, 10, 100, 65535)) if one is None else one
        raw[at + 4 : at + 6] = delay.to_bytes(2, "little")
        at = data.find(b"\x21\xf9\x04", at + 1)
    return bytes(raw)
