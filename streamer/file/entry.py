"""Goes to a key frame of a file and makes sure that it is the one: seeking is only ever a guess."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from av.container.input import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

_BACK: Final = (0.0, 3.0, 30.0)
"""Seconds before the packet to which seeking goes, one after the other; then to the file's begin."""


class EntryError(ValueError):
    """The packet cannot be found again: the file must be read from its begin."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A packet of the video track, as it is known again: `pts` and `dts` in ticks, `size` in bytes."""

    pts: int
    dts: int | None
    size: int

    def is_at(self, packet: Packet[Stream]) -> bool:
        """Whether it is this packet. After seeking, some containers do not tell the dts."""
        return packet.pts == self.pts and packet.size == self.size


def content_hash(data: bytes) -> bytes:
    """16 bytes that differ if the contents of two packets do."""
    return hashlib.blake2b(data, digest_size=16).digest()


def packets_from(
    container: InputContainer,
    video: VideoStream,
    entry: Entry,
    packets: Callable[[Sequence[Stream]], Iterator[Packet[Stream]]],
) -> Iterator[Packet[Stream]]:
    """The packets of `video` from `entry` on; `packets` reads what follows the place that was gone to.

    Raises EntryError if there is no such packet.
    """
    base = video.time_base
    assert base is not None
    wanted = entry.pts if entry.dts is None else entry.dts
    first = video.start_time or 0
    places = [wanted - round(back / base) for back in _BACK]
    for place in dict.fromkeys([*(place for place in places if place > first), first - round(1 / base)]):
        try:
            container.seek(place, stream=video, backward=True, any_frame=False)
        except FFmpegError:
            continue
        found = False
        for packet in packets([video]):
            if not found and not entry.is_at(packet):
                now = packet.pts if packet.dts is None else packet.dts
                if now is not None and now > max(wanted, entry.pts):
                    break  # seeking went too far
                continue
            found = True
            yield packet
        if found:
            return
    raise EntryError("a key frame of the index cannot be found again")
