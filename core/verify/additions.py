"""Turns what a check has found into regions for every frame: between the checked frames, and a little beyond."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from core.frame import Origin, Region
from core.verify.chains import LINK, Sight, distance, may_be_same

BEYOND = 0.12  # s: masked before the first finding and after the last one, besides one interval of the check
GROWTH = 0.8  # of the face's size, for each second away from the nearest finding


def linked(sights: Iterable[Sight], interval: float) -> list[list[Sight]]:
    """The findings of each face, in order of time. `interval` is the time between two checked frames, in seconds."""
    longest = max(LINK, 2.5 * interval)
    done: list[list[Sight]] = []
    active: list[list[Sight]] = []
    for sight in sorted(sights, key=lambda s: s.time):
        done += [c for c in active if sight.time - c[-1].time > longest]
        active = [c for c in active if sight.time - c[-1].time <= longest]
        near = [c for c in active if c[-1].time < sight.time and may_be_same(c[-1].box, sight.box)]
        if near:
            min(near, key=lambda c: distance(c[-1].box, sight.box)).append(sight)
        else:
            active.append([sight])
    return sorted([*done, *active], key=lambda c: c[0].time)


def added_regions(
    frames: Iterable[tuple[int, float]], sights: Iterable[Sight], interval: float, margin: float, first_track: int
) -> Iterator[list[Region]]:
    """For each frame, given as index and time in order, the regions to add; `margin` is relative to a face's box.

    Tracks are numbered from `first_track`.
    """
    reach = interval + BEYOND + 1e-6
    waiting = list(reversed(list(enumerate(linked(sights, interval), first_track))))
    active: list[tuple[int, list[Sight]]] = []
    for index, time in frames:
        while waiting and waiting[-1][1][0].time - reach <= time:
            active.append(waiting.pop())
        active = [(track, chain) for track, chain in active if chain[-1].time + reach >= time]
        yield [_region(chain, index, time, margin, track) for track, chain in active]


def _region(chain: Sequence[Sight], index: int, time: float, margin: float, track: int) -> Region:
    before = next((s for s in reversed(chain) if s.frame <= index), None)
    after = next((s for s in chain if s.frame >= index), None)
    near, origin, box = after or before, Origin.BACK_FILLED, (after or before or chain[0]).box
    score = min(s.suspect.score for s in (before, after) if s is not None)
    away = 0.0
    if before is not None and after is not None:
        span = after.time - before.time
        box = before.box.lerp(after.box, (time - before.time) / span) if span > 0 else box
        away = max(0.0, min(time - before.time, after.time - time))
        origin = Origin.SEEN if before is after else Origin.INTERPOLATED
    elif near is not None:
        away = abs(time - near.time)
        origin = Origin.BACK_FILLED if before is None else Origin.CARRIED
    return Region(box.grown(margin + GROWTH * away), track, "face", min(1.0, score), origin)
