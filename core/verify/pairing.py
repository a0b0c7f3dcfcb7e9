"""Which picture of a masked copy shows the same moment as a picture of the original."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from core.detect.cuts import Thumbnail

P = TypeVar("P")

WINDOW = 0.3
"""Seconds: how far time stamps of the same picture may differ in another tool's copy."""
MOST = 24  # pictures to choose from
BETTER = 0.8  # another picture must be so much more alike than the nearest in time
PLAIN = 6.0  # grey levels, standard deviation: a picture with less shows nothing that could be compared
ALIKE = 0.4  # correlation of two thumbnails that show the same picture, though parts of it are masked


@dataclass(frozen=True, slots=True)
class Candidate(Generic[P]):
    """A picture of the copy; `time` in seconds from the copy's first picture."""

    time: float
    thumbnail: Thumbnail
    picture: P


class Pairing(Generic[P]):
    """Holds the copy's pictures around the moment that is asked about. Both sides come in order of time."""

    def __init__(self, window: float = WINDOW) -> None:
        """`window` is how far time stamps of the same picture may differ, in seconds."""
        self._window = window
        self._held: deque[Candidate[P]] = deque()

    def wants(self, time: float) -> bool:
        """Whether more pictures of the copy are needed before `matches(time)` can answer."""
        return not self._held or self._held[-1].time <= time + self._window

    def add(self, candidate: Candidate[P]) -> None:
        """The next picture of the copy."""
        self._held.append(candidate)

    def matches(self, time: float, thumbnail: Thumbnail) -> list[Candidate[P]]:
        """The picture nearest in time, and the one that looks most like it if that is another; none if none is near."""
        while self._held and self._held[0].time < time - self._window:
            self._held.popleft()
        near = sorted((c for c in self._held if c.time <= time + self._window), key=lambda c: abs(c.time - time))[:MOST]
        if not near:
            return []
        differences = [difference(c.thumbnail, thumbnail) for c in near]
        best = int(np.argmin(differences))
        return [near[0], near[best]] if differences[best] < BETTER * differences[0] else [near[0]]


def difference(a: Thumbnail, b: Thumbnail) -> float:
    """Mean absolute difference in grey levels, apart from one of brightness."""
    gap = a.astype(np.float32) - b.astype(np.float32)
    return float(np.abs(gap - np.median(gap)).mean())


def shows_another(original: Thumbnail, copy: Thumbnail) -> bool:
    """Whether the copy's picture shows something, and not what the original shows. A blank one shows nothing."""
    a, b = original.astype(np.float32), copy.astype(np.float32)
    if min(float(a.std()), float(b.std())) < PLAIN:
        return False
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < ALIKE
