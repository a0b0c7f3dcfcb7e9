"""Timestamp arithmetic: integers in ticks of a time base. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd

_DEEPEST_REORDER = 32  # no encoder reorders frames further than this
_USUAL_REORDER = 2
_FURTHEST = 10**11  # seconds; some recorders count from 1970 or from 1601


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a packet is decoded and shown, and for how long, in ticks of the time base."""

    pts: int
    dts: int
    duration: int


def is_plausible(ticks: int, base: Fraction) -> bool:
    """Whether a timestamp is believable: within 3,000 years, and small enough for 64-bit arithmetic."""
    return abs(ticks) < 1 << 55 and abs(ticks * base) < _FURTHEST


class PtsFiller:
    """Gives every frame a timestamp: its own, else the decoder's guess, else the previous one plus its duration.

    Frames arrive in presentation order, so a timestamp that runs backwards is an error in the file; the previous one is
    repeated instead.
    """

    def __init__(self, default_duration: int) -> None:
        self._next: int | None = None
        self._last: int | None = None
        self._default = max(1, default_duration)

    def fill(self, pts: int | None, dts: int | None, duration: int) -> int:
        """The pts of the next frame in presentation order; `duration` 0 means unknown."""
        if pts is None:
            if dts is not None and (self._last is None or dts > self._last):
                pts = dts
            else:
                pts = 0 if self._next is None else self._next
        if self._last is not None:
            pts = max(pts, self._last)
        self._last, self._next = pts, pts + (duration or self._default)
        return pts


class Continuity:
    """Finds where a file's clock restarts (carelessly joined recordings) and makes time continue.

    A jump back by more than `jump` seconds is bridged. All streams share one bridge, so they stay in sync.
    """

    def __init__(self, jump: float = 0.5) -> None:
        self._jump = jump
        self._bridges: list[Fraction] = []
        self._offset: dict[int, Fraction] = {}
        self._end: dict[int, Fraction] = {}

    def restart(self) -> None:
        """What comes next is from elsewhere in the file: forget what came before."""
        self._bridges.clear()
        self._offset.clear()
        self._end.clear()

    def offset(self, stream: int, time: Fraction, duration: Fraction) -> Fraction:
        """Seconds to add to the timestamps of `stream` at `time`, in seconds on the file's clock like `duration`."""
        offset = self._offset.get(stream, Fraction(0))
        end = self._end.get(stream)
        if end is not None and time + offset < end - Fraction(self._jump):
            close = [bridge for bridge in self._bridges if abs(time + bridge - end) < self._jump]
            offset = close[-1] if close else end - time
            if not close:
                self._bridges.append(offset)
            self._offset[stream] = offset
        self._end[stream] = max(time + offset + duration, end or time + offset)
        return offset


class StampMapper:
    """Maps the frame counter that an encoder is given back to the real timestamps.

    The encoder sees frames 0, 1, 2, ... so that no odd timestamp of the source can make it drop, repeat or reject a
    frame. `push` takes the real pts in presentation order; `pop` turns an encoded packet's counters into a `Stamp`.
    The dts are strictly increasing and never later than the pts, as muxers require. A pts is moved to achieve that only
    if more than `slack` frames share one pts or pts decrease; `moved` counts those.
    """

    def __init__(self, slack: int = 0) -> None:
        self._slack = slack
        self._pending: dict[int, tuple[int, int]] = {}
        self._order: dict[int, int] = {}  # counter -> pts, until no dts can refer to it any more
        self._oldest = 0
        self._pushed = self._popped = 0
        self._first_pts = 0
        self._end = 0
        self._step = 1
        self._first_dts: int | None = None
        self._last_dts = 0
        self.moved = 0

    @property
    def waiting(self) -> int:
        """Frames that were pushed but not popped yet."""
        return len(self._pending)

    def push(self, pts: int, duration: int) -> int:
        """The counter to encode the next frame with; `duration` in ticks, at least 0."""
        counter = self._pushed
        if counter == 0:
            self._first_pts, self._step, self._end = pts, max(1, duration), pts
        self._end = max(self._end, pts + duration)
        self._pending[counter] = (pts, duration)
        self._order[counter] = pts
        self._pushed += 1
        return counter

    def pop(self, counter: int, dts_counter: int, final: bool = False) -> Stamp:
        """The real stamp of the packet of frame `counter`. Call it for packets in decoding order.

        `dts_counter` is the encoder's dts, in the same counter; it starts below zero if frames are reordered. `final`
        marks the last packet of the file: its dts is chosen so that the dts span exactly what the pts span. Raises
        KeyError for a counter that was not pushed or was already popped.
        """
        pts, duration = self._pending.pop(counter)
        if not self._popped - _DEEPEST_REORDER <= dts_counter <= counter:
            dts_counter = min(
                self._popped - _USUAL_REORDER, counter
            )  # in very short videos libx265 reports invalid dts
        self._popped += 1
        before = self._first_pts + dts_counter * self._step  # extrapolated backwards at the first frame's pace
        wanted = before if dts_counter < 0 else self._order.get(dts_counter, pts)
        dts = min(wanted, pts) - self._slack
        if self._first_dts is None:
            self._first_dts = dts
        else:
            if final:
                dts = min(self._first_dts + self._end - self._first_pts - duration, pts)
            dts = max(dts, self._last_dts + 1)
        self._last_dts = dts
        if pts < dts:
            pts = dts
            self.moved += 1
        while self._oldest < min(dts_counter, self._pushed):
            self._order.pop(self._oldest, None)
            self._oldest += 1
        return Stamp(pts, dts, duration)


def common_timescale(bases: list[Fraction], limit: int = 20_000_000) -> int:
    """Ticks per second that represent every time base exactly; the first base's own rate if that would exceed `limit`.

    Raises ValueError without any time base.
    """
    if not bases:
        raise ValueError("bases must not be empty")
    scale = 1
    for base in bases:
        scale = scale * base.denominator // gcd(scale, base.denominator)
    return scale if scale <= limit else min(bases[0].denominator, limit)
