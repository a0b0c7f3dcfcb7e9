"""Faces that lie on their side or stand on their heads, in pictures that no tag turns: searched in turned copies.

Detectors know upright faces. Turned copies are searched rarely; once one shows a face, it is searched in every sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from core.config import ScaleConfig
from core.detect.detection import Detection
from core.frame import Frame
from core.geometry import Box, iou
from core.pictures.orientation import Orientation

PROBE_SCALES: Final = (ScaleConfig(long_side=640), ScaleConfig(long_side=1280))
"""The sizes at which turned copies are searched for a first face."""

TURNS: Final = (90, 180, 270)  # degrees clockwise
SURE_SCORE: Final = 0.65  # a turned copy shows more things that only look like a face: ask for more than usual
CLEAR_SCORE: Final = 0.85  # ... and for still more where upright faces are there: most pictures are upright
SAME_FACE: Final = 0.2  # IoU: turned copies also show upright faces, in boxes of another shape
PATIENCE: Final = 1.5  # s without a sure find after which a copy is searched rarely again


class Scans(Protocol):
    """A detector pass over one sample, as a `Scanner` makes it."""

    def scan(self, frame: Frame, time: float, *, scene_start: bool, alone: bool = False) -> list[Detection]:
        """All faces in `frame`, boxes in pixels of its upright picture."""


class TurnedScanner:
    """Adds turned faces to what a scanner finds. One stream's; times in seconds on the engine's clock."""

    def __init__(
        self,
        upright: Scans,
        probe: Callable[[], Scans],
        full: Callable[[], Scans],
        interval: float,
        *,
        spread: bool = False,
    ) -> None:
        """`probe` and `full` make scanners for turned copies: a quick one, and one like `upright`.

        All copies are probed on the first sample of a scene, after that one of them every `interval` seconds. `spread`:
        a scene's first sample is not kept waiting; the copies are probed with the next ones, one with each.
        """
        self._upright, self._interval, self._spread = upright, interval, spread
        self._probes = {turn: probe() for turn in TURNS}
        self._full = {turn: full() for turn in TURNS}
        self._faces: dict[int, list[tuple[Box, float]]] = {turn: [] for turn in TURNS}
        self._probed = -math.inf
        self._next = 0
        self._owed: tuple[int, ...] = ()

    def scan(self, frame: Frame, time: float, *, scene_start: bool, alone: bool = False) -> list[Detection]:
        """All faces in `frame`, boxes in pixels of its upright picture. Raises whatever the detectors raise."""
        found = self._upright.scan(frame, time, scene_start=scene_start, alone=alone)
        if scene_start:
            self._faces = {turn: [] for turn in TURNS}
        probed = self._to_probe(time, scene_start)
        upright = list(found)
        least = CLEAR_SCORE if any(d.score >= SURE_SCORE for d in upright) else SURE_SCORE
        for turn in TURNS:
            self._faces[turn] = [(box, seen) for box, seen in self._faces[turn] if 0 <= time - seen < PATIENCE]
            begins = not self._faces[turn]
            if begins and not (turn in probed and self._shows_one(turn, frame, time, upright, alone, least)):
                continue
            faces = self._search(self._full[turn], turn, frame, time, upright, begins, alone)
            found += self._sure(faces, self._faces[turn], least)
            self._follow(turn, faces, time, least)
        return found

    def _to_probe(self, time: float, scene_start: bool) -> tuple[int, ...]:
        """The turns to probe now; they are taken as probed."""
        now: tuple[int, ...]
        if scene_start:
            now, self._owed = ((), TURNS) if self._spread else (TURNS, ())
        elif self._owed:
            now, self._owed = self._owed[:1], self._owed[1:]
        elif not 0 <= time - self._probed < self._interval:
            now, self._next = (TURNS[self._next % len(TURNS)],), self._next + 1
        else:
            return ()
        self._probed = time
        return now

    def _shows_one(
        self, turn: int, frame: Frame, time: float, upright: Sequence[Detection], alone: bool, least: float
    ) -> bool:
        found = self._search(self._probes[turn], turn, frame, time, upright, True, alone)
        return bool(self._sure(found, [], least))

    @staticmethod
    def _sure(faces: Sequence[Detection], known: Sequence[tuple[Box, float]], least: float) -> list[Detection]:
        """Those that are sure, or where a face has been seen before.

        A score that is no score gets through: the timeline then distrusts the whole sample.
        """
        return [d for d in faces if not 0 <= d.score < least or any(iou(box, d.box) > SAME_FACE for box, _ in known)]

    def _follow(self, turn: int, faces: Sequence[Detection], time: float, least: float) -> None:
        """Remember where faces are. Weak finds move a known one, but do not make it last."""
        known = self._faces[turn]
        self._faces[turn] = []
        for box, seen in known:
            near = max((d for d in faces if iou(box, d.box) > SAME_FACE), key=lambda d: d.score, default=None)
            if near is None or near.score < least:
                self._faces[turn].append((box if near is None else near.box, seen))
        self._faces[turn] += [(d.box, time) for d in faces if d.score >= least]

    @staticmethod
    def _search(
        scanner: Scans, turn: int, frame: Frame, time: float, known: Sequence[Detection], first: bool, alone: bool
    ) -> list[Detection]:
        """What a copy turned by `turn` degrees shows and the upright picture does not; `first`: with all sizes."""
        width, height = frame.upright_size
        copy = Orientation((frame.orientation.turn + turn) % 360, frame.orientation.flip)
        seen = scanner.scan(replace(frame, orientation=copy), time, scene_start=first, alone=alone)
        back = Orientation(turn)
        faces = [replace(d, box=back.to_coded(d.box, width, height)) for d in seen]
        return [d for d in faces if not any(k.score >= d.score and iou(k.box, d.box) > SAME_FACE for k in known)]
