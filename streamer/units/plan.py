"""Cuts a recording into units: a pure function of its index, so that every machine makes the same plan."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from streamer.file.entry import Entry
from streamer.gops.decoding_times import Ticks
from streamer.media.losses import INTRA_ONLY
from streamer.media.picture_limit import PictureLimit
from streamer.settings.file import Settings
from streamer.units.index import NO_DTS, FileIndex, read_index
from streamer.units.span import MOST_UNITS, UnitSpan, times_of

LEAST: Final = 30
"""Seconds that a unit lasts at least; so long must a recording be beyond `WANTED` to be cut at all."""
WANTED: Final = 60
"""A unit ends at the first key frame after so many seconds ..."""
MOST: Final = 120
"""... but, if there is none for so long, at the last one before."""
SHORT: Final = 20
"""Seconds that a recording lasts at least that becomes one unit, so that what is untouched in it is copied."""
BEFORE: Final = 3
"""Seconds before a unit that are looked at: faces are followed when it begins."""
AFTER: Final = 2
"""Seconds after it: a face found then was there before."""

_CODECS: Final = frozenset({"h264", "hevc", "vp8", "vp9", *INTRA_ONLY})
"""Codecs (FFmpeg's canonical names) whose key frames are known to be places where decoding can begin."""


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """The units of a recording, in order; none if it is masked whole, and then why, in one line."""

    units: tuple[UnitSpan, ...] = ()
    whole_because: str | None = None

    def to_json(self) -> str:
        """As JSON."""
        units = [asdict(unit) for unit in self.units]
        return json.dumps({"units": units, "whole_because": self.whole_because}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> UnitPlan:
        """What `to_json` made; whoever wrote it is not trusted. Raises ValueError."""
        try:
            found = json.loads(text)
        except RecursionError:
            raise ValueError("not a plan") from None
        if not isinstance(found, dict) or set(found) != {"units", "whole_because"}:
            raise ValueError("not a plan")
        units, why = found["units"], found["whole_because"]
        if not isinstance(units, list) or len(units) > MOST_UNITS or not (why is None or isinstance(why, str)):
            raise ValueError("not a plan")
        plan = cls(tuple(map(UnitSpan.from_object, units)), why)
        plan.check()
        return plan

    def check(self) -> None:
        """Raises ValueError unless its units follow one another without a gap, the last one without an end."""
        ends = [None, *(unit.end for unit in self.units)]
        for number, unit in enumerate(self.units):
            if unit.number != number or (number and unit.begin != ends[number]):
                raise ValueError("units do not follow one another")
        if self.units and self.units[-1].end is not None:
            raise ValueError("the last unit has an end")


def plan_file(path: Path, settings: Settings, interrupt: threading.Event | None = None) -> UnitPlan:
    """The plan for a file. Raises InputError."""
    return plan_units(read_index(path, PictureLimit(*settings.file.max_size), interrupt))


def plan_units(index: FileIndex) -> UnitPlan:
    """The plan for a file with this index."""
    if index.trouble is not None:
        return UnitPlan(whole_because=index.trouble)
    shown = index.shown_pts
    seconds = (int(shown[-1]) - int(shown[0])) * index.time_base
    if seconds < SHORT or (seconds < WANTED + LEAST and index.uncopied is not None):
        return UnitPlan(whole_because="it is short")
    if index.codec not in _CODECS:
        return UnitPlan(whole_because=f"key frames of {index.codec} are no sure places to cut it")
    keys = index.pts[index.keys & index.shown]
    cuts = _cuts(keys, int(shown[0]), int(shown[-1]), index)
    if not cuts and (len(keys) == 1 or index.uncopied is not None):
        return UnitPlan(whole_because="it has no key frame to cut it at")
    if len(cuts) >= MOST_UNITS:
        return UnitPlan(whole_because="it is too long")
    begins = [int(shown[0]), *cuts]
    ends: list[int | None] = [*cuts, None]
    pairs = enumerate(zip(begins, ends, strict=True))
    return UnitPlan(tuple(_unit(index, shown, number, begin, end) for number, (begin, end) in pairs))


def _cuts(keys: Ticks, first: int, last: int, index: FileIndex) -> list[int]:
    """The times of key frames at which units end."""
    least, wanted, most = (seconds / index.time_base for seconds in (LEAST, WANTED, MOST))
    cuts, begin = list[int](), first
    while True:
        after = keys[int(np.searchsorted(keys, float(begin + wanted))) :]
        after = after[after > begin]
        near = keys[(keys >= float(begin + least)) & (keys < float(begin + wanted))]
        if len(near) and (not len(after) or after[0] > begin + most):
            after = near[-1:]
        if not len(after) or last - int(after[0]) < least:
            return cuts
        begin = int(after[0])
        cuts.append(begin)


def _unit(index: FileIndex, shown: Ticks, number: int, begin: int, end: int | None) -> UnitSpan:
    before, after = BEFORE / index.time_base, AFTER / index.time_base
    look_from = int(shown[max(0, int(np.searchsorted(shown, float(begin - before), "right")) - 1)])
    look_until = None
    if end is not None:
        at = int(np.searchsorted(shown, float(end + after)))
        look_until = None if at >= len(shown) else int(shown[at]) + 1
        look_until = int(shown[-1]) + 1 if look_until is None else look_until
    inside = shown[(shown >= begin) & (shown < end)] if end is not None else shown[shown >= begin]
    # One key frame before the last one that would do: pictures right after a key frame may need what is before it.
    keys: Sequence[int] = np.flatnonzero(index.keys & (index.pts <= look_from)).tolist()
    entry = _entry(index, keys[max(0, len(keys) - 2)] if keys else 0)
    starts: Sequence[int] = np.flatnonzero(index.keys & (index.pts <= begin)).tolist()
    start = _entry(index, starts[-1] if starts else 0)
    copy = index.uncopied is None
    return UnitSpan(number, begin, end, look_from, look_until, entry, start, copy, len(inside), times_of(inside))


def _entry(index: FileIndex, at: int) -> Entry:
    dts = int(index.dts[at])
    return Entry(int(index.pts[at]), None if dts == NO_DTS else dts, int(index.sizes[at]))
