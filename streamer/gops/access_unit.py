"""What one packet holds that may be copied. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from streamer.gops.sequence import SequenceLook


class EntryPoint(Enum):
    """Whether decoding can begin at a picture."""

    NONE = "none"
    OPEN = "open"  # pictures that are shown before it may need earlier ones
    CLOSED = "closed"  # nothing after it needs anything before it


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture: its slices, and nothing else of the packet."""

    slices: tuple[bytes, ...]
    entry: EntryPoint


class StreamForm(Protocol):
    """What a stream's header says, checked: every parameter set, and how packets are cut into NAL units."""

    @property
    def codec(self) -> str:
        """FFmpeg's canonical name."""
        ...

    @property
    def look(self) -> SequenceLook:
        """How all pictures are shown."""
        ...

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        """All parameter sets, as NAL units."""
        ...

    def reader(self) -> PacketReader:
        """Reads the packets of this stream, in decoding order."""
        ...


class PacketReader(Protocol):
    """Takes packets apart, in decoding order from a key frame on; remembers parameter sets that change in between."""

    def read(self, data: bytes) -> AccessUnit:
        """The picture in this packet. Raises UncopyableError if it must not be copied."""
        ...

    def look_at(self, data: bytes) -> None:
        """A packet that is not copied: only remember what changes in it."""
        ...

    @property
    def sets_change(self) -> bool:
        """Whether parameter sets in force are not those of the header."""
        ...
