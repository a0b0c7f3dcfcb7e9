"""Follows suspects from one checked frame to the next, and decides which of them are faces.

One frame alone often leaves a doubt that the next ones settle: a face stays, and is seen well at some moment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.geometry import Box, overlap
from core.verify.detail import SHOWS
from core.verify.witnesses import Suspect

LINK = 0.6  # s: a suspect that is there again within this time is the same
APART = 0.8  # face sizes: how far it may have moved meanwhile
LASTING_FRAMES = 5
LASTING_TIME = 0.25  # s


@dataclass(frozen=True, slots=True)
class Rule:
    """How much evidence makes a face.

    `enough`: in one frame. `lasting`: on average, if it stays for a while. `around`: seconds before and after a moment
    with enough evidence for which an unsure sight counts, too.
    """

    enough: float
    lasting: float
    around: float


STRICT = Rule(enough=2.0, lasting=math.inf, around=0.0)
"""For a report: two sure detectors, or one that could not be surer. A well-masked file should give few false alarms."""
EAGER = Rule(enough=1.0, lasting=0.8, around=0.3)
"""For masking: one more mask costs little, a missed face much. Finds everything that `STRICT` finds."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A suspect in one checked frame; `time` in seconds, `share` is how much of its detail the copy shows (0 to 1)."""

    frame: int
    time: float
    suspect: Suspect
    share: float

    @property
    def box(self) -> Box:
        """Where it is, in pixels of the original's upright picture."""
        return self.suspect.box

    @property
    def shows(self) -> bool:
        """Whether enough of it is visible in the copy."""
        return self.share > SHOWS


@dataclass(slots=True)
class _Chain:
    sights: list[Sight] = field(default_factory=list)

    @property
    def last(self) -> Sight:
        return self.sights[-1]

    def findings(self, rule: Rule) -> list[Sight]:
        """Its sights that show, if it is a face."""
        sights = self.sights
        shown = [s for s in sights if s.shows]
        lasts = len(sights) >= LASTING_FRAMES and sights[-1].time - sights[0].time >= LASTING_TIME
        if lasts and sum(s.suspect.evidence for s in sights) >= rule.lasting * len(sights):
            return shown
        sure = [s.time for s in sights if s.suspect.evidence >= rule.enough]
        return [s for s in shown if any(abs(s.time - time) <= rule.around for time in sure)]


class Chains:
    """Takes in the sights of one checked frame after another; holds only those of the last moments, and findings."""

    def __init__(self, *rules: Rule) -> None:
        self._rules = rules
        self._open: list[_Chain] = []
        self._found: list[list[Sight]] = [[] for _ in rules]

    def add(self, time: float, sights: Sequence[Sight]) -> None:
        """The sights of the checked frame at `time`; call in order of time, for frames without any, too."""
        closed = [c for c in self._open if time - c.last.time > LINK]
        self._open = [c for c in self._open if time - c.last.time <= LINK]
        self._close(closed)
        pairs = sorted(
            (distance(chain.last.box, sight.box), i, j)
            for i, chain in enumerate(self._open)
            for j, sight in enumerate(sights)
            if may_be_same(chain.last.box, sight.box)
        )
        free, left = set(range(len(self._open))), set(range(len(sights)))
        for _, i, j in pairs:
            if i in free and j in left:
                free.remove(i)
                left.remove(j)
                self._open[i].sights.append(sights[j])
        self._open += [_Chain([sights[j]]) for j in sorted(left)]

    def finish(self) -> list[list[Sight]]:
        """No more frames: for each rule, all sights that are faces and show, in order of time."""
        self._close(self._open)
        self._open = []
        return [sorted(found, key=lambda s: (s.time, -s.share)) for found in self._found]

    def _close(self, chains: Sequence[_Chain]) -> None:
        for chain in chains:
            for rule, found in zip(self._rules, self._found, strict=True):
                found += chain.findings(rule)


def distance(a: Box, b: Box) -> float:
    """How far apart the middles of two boxes are along one axis, in pixels."""
    (ax, ay), (bx, by) = a.center, b.center
    return max(abs(ax - bx), abs(ay - by))


def may_be_same(a: Box, b: Box) -> bool:
    """Whether two boxes in successive checked frames may be the same face."""
    if max(a.side, b.side) > 2 * min(a.side, b.side):
        return False
    return overlap(a, b) > 0 or distance(a, b) < APART * max(a.side, b.side)
