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
from core.geometry import iou
from core.pictures.orientation import Orientation

PROBE_SCALES: Final = (ScaleConfig(long_side=640), ScaleConfig(long_side=1280))
"""The sizes at which turned copies are searched for a first face."""

TURNS: Final = (90, 180, 270)  # degrees clockwise
SURE_SCORE: Final = 0.6  # a turned copy shows more things that only look like a face: ask for more than usual
SAME_FACE: Final = 0.2  # IoU: turned copies also show upright faces, in boxes of another shape
PATIENCE: Final = 1.5  # s without a sure find after which a copy is searched rarely again


class Scans(Protocol):
    """A detector pass over one sample, as a `Scanner` makes it."""

    def scan(self, frame: Frame, time: float, *, scene_start: bool, alone: bool = False) -> list[Detection]:
        """All faces in `frame`, boxes in pixels of its upright picture."""


class TurnedScanner:
    """Adds turned faces to what a scanner finds. One stream's; times in seconds on the engine's clock."""

    def __init__(self, upright: Scans, probe: Callable[[], Scans], full: Callable[[], Scans], interval: float) -> None:
        """`probe` and `full` make scanners for turned copies: a quick one, and one like `upright`.

        All copies are probed on the first sample of a scene, after that one of them every `interval` seconds.
        """
        self._upright, self._interval = upright, interval
        self._probes = {turn: probe() for turn in TURNS}
        self._full = {turn: full() for turn in TURNS}
        self._found = dict.fromkeys(TURNS, -math.inf)
        self._started = dict.fromkeys(TURNS, False)
        self._probed = -math.inf
        self._next = 0

    def scan(self, frame: Frame, time: float, *, scene_start: bool, alone: bool = False) -> list[Detection]:
        """All faces in `frame`, boxes in pixels of its upright picture. Raises whatever the detectors raise."""
        found = self._upright.scan(frame, time, scene_start=scene_start, alone=alone)
        if scene_start:
            self._found = dict.fromkeys(TURNS, -math.inf)
        probed: tuple[int, ...] = ()
        if scene_start or not 0 <= time - self._probed < self._interval:
            probed = TURNS if scene_start else (TURNS[self._next % len(TURNS)],)
            self._probed, self._next = time, self._next + 1
        upright = list(found)
        for turn in TURNS:
            if not self._follows(turn, time):
                self._started[turn] = False
                if turn not in probed or not self._search(self._probes[turn], turn, frame, time, upright, True, alone):
                    continue
            first, self._started[turn] = not self._started[turn], True
            more = self._search(self._full[turn], turn, frame, time, upright, first, alone)
            if any(d.score >= SURE_SCORE for d in more):
                self._found[turn] = time
            found += more
        return found

    def _follows(self, turn: int, time: float) -> bool:
        return 0 <= time - self._found[turn] < PATIENCE

    @staticmethod
    def _search(
        scanner: Scans, turn: int, frame: Frame, time: float, known: Sequence[Detection], first: bool, alone: bool
    ) -> list[Detection]:
        """New faces in a copy turned by `turn` degrees; with `first`, sure ones only."""
        width, height = frame.upright_size
        copy = Orientation((frame.orientation.turn + turn) % 360, frame.orientation.flip)
        seen = scanner.scan(replace(frame, orientation=copy), time, scene_start=first, alone=alone)
        back = Orientation(turn)
        faces = [replace(d, box=back.to_coded(d.box, width, height)) for d in seen]
        return [
            d
            for d in faces
            # A score that is no score gets through: the timeline then distrusts the whole sample.
            if not (first and 0 <= d.score < SURE_SCORE)
            and not any(k.score >= d.score and iou(k.box, d.box) > SAME_FACE for k in known)
        ]
