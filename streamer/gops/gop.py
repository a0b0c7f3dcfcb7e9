"""A group of pictures as it stands in the file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gop:
    """Packets from one key frame up to the next, such that all before it is shown before it.

    `first` is the ordinal of its first packet in decoding order, `packets` how many there are. `pts` are all of its
    time stamps in order of presentation. A run of copied groups begins with a `closed` one: nothing in it needs
    anything before it. `refusal` says in one line why its packets must not be copied.
    """

    number: int
    first: int
    packets: int
    pts: tuple[int, ...]
    closed: bool
    refusal: str | None = None
