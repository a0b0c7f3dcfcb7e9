"""One unit of a recording: which pictures it holds, which are looked at besides, and where decoding begins."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from streamer.file.entry import Entry
from streamer.gops.decoding_times import Ticks

MOST_UNITS: Final = 10_000
_LARGEST: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class UnitSpan:
    """A unit. All times are ticks of the video's time base.

    It holds the pictures from `begin` until before `end` (None: to the last): `frames` of them, with times whose
    `times_of` is `times`. Pictures from `look_from` until before `look_until` are looked at; decoding begins at the
    packet `entry`. The packet at `begin` is `start`. `copy`: groups of pictures of the file may be copied.
    """

    number: int
    begin: int
    end: int | None
    look_from: int
    look_until: int | None
    entry: Entry
    start: Entry
    copy: bool
    frames: int
    times: str

    def __post_init__(self) -> None:
        ends = self.end is None or (self.look_until is not None and self.begin < self.end <= self.look_until)
        if not (0 <= self.number < MOST_UNITS and self.look_from <= self.begin and ends and self.frames >= 1):
            raise ValueError("not a unit")

    def holds(self, pts: int) -> bool:
        """Whether the unit holds the picture at this time."""
        return self.begin <= pts and (self.end is None or pts < self.end)

    def looks_at(self, pts: int) -> bool:
        """Whether the picture at this time is looked at."""
        return self.look_from <= pts and (self.look_until is None or pts < self.look_until)

    def to_json(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> UnitSpan:
        """What `to_json` made. Raises ValueError for anything else."""
        return cls.from_object(_parsed(text))

    @classmethod
    def from_object(cls, found: object) -> UnitSpan:
        """From what JSON has made of it. Raises ValueError."""
        if not isinstance(found, dict) or set(found) != set(cls.__dataclass_fields__):
            raise ValueError("not a unit")
        numbers = [found[name] for name in ("number", "begin", "look_from", "frames")]
        numbers += [value for value in (found["end"], found["look_until"]) if value is not None]
        for entry in (found["entry"], found["start"]):
            if not isinstance(entry, dict) or set(entry) != {"pts", "dts", "size"}:
                raise ValueError("not a unit")
            numbers += [entry["pts"], entry["size"], *([] if entry["dts"] is None else [entry["dts"]])]
        if not all(type(value) is int and abs(value) <= _LARGEST for value in numbers):
            raise ValueError("not a unit")
        if not isinstance(found["times"], str) or not isinstance(found["copy"], bool):
            raise ValueError("not a unit")
        return cls(**{**found, "entry": Entry(**found["entry"]), "start": Entry(**found["start"])})


def times_of(pts: Ticks) -> str:
    """A hash over times in order: 16 hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(pts, "<i8").tobytes()).hexdigest()[:16]


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("not a unit") from None
