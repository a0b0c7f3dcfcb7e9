"""A picture of what a check has found: crops of the masked file with their times, most visible first.

It necessarily shows the faces that were missed.
"""

from __future__ import annotations

import heapq
import math

import cv2
import numpy as np
import numpy.typing as npt

from core.frame import Frame
from core.pictures.planes import BgrImage
from core.verify.chains import Sight
from streamer.verify.moments import numbers
from streamer.verify.pairs import bgr_part

SIDE = 160  # px of a crop
LABEL = 18  # px below it
COLUMNS = 6
MOST = 60
HELD = 600
AROUND = 2.0  # face sizes that a crop shows

Key = tuple[int, tuple[float, float, float, float]]


class ContactSheet:
    """Keeps crops of the sights that show most; `png` draws those that were findings in the end."""

    def __init__(self) -> None:
        self._crops: list[tuple[float, int, Key, BgrImage]] = []
        self._count = 0

    def add(self, sight: Sight, copy: Frame, fx: float, fy: float) -> None:
        """Keep a crop of the copy's picture; `fx` and `fy` lead from the original's pixels to the copy's."""
        rank = sight.share * min(2.0, sight.suspect.evidence)
        if len(self._crops) >= HELD and rank <= self._crops[0][0]:
            return
        (x, y), half = sight.box.center, sight.box.side * AROUND / 2
        area = type(sight.box)(x - half, y - half, x + half, y + half).scaled(fx, fy)
        self._count += 1
        entry = (rank, self._count, _key(sight), bgr_part(copy, area, SIDE, SIDE))
        (heapq.heappush if len(self._crops) < HELD else heapq.heappushpop)(self._crops, entry)

    def png(self, findings: list[Sight]) -> bytes:
        """The sheet as a PNG file. Without findings it says so."""
        wanted = {_key(sight): sight for sight in findings}
        chosen = [(wanted[key], crop) for _, _, key, crop in sorted(self._crops, reverse=True) if key in wanted]
        tiles = [_tile(sight, crop) for sight, crop in chosen[:MOST]]
        columns = max(1, min(COLUMNS, len(tiles)))
        rows = max(1, math.ceil(len(tiles) / columns))
        sheet = np.zeros((rows * (SIDE + LABEL), max(columns, 2) * SIDE, 3), np.uint8)
        for number, tile in enumerate(tiles):
            y, x = number // columns * (SIDE + LABEL), number % columns * SIDE
            sheet[y : y + SIDE + LABEL, x : x + SIDE] = tile
        if not tiles:
            _write(sheet, "nothing was found", SIDE // 2)
        return cv2.imencode(".png", sheet)[1].tobytes()


def _tile(sight: Sight, crop: BgrImage) -> npt.NDArray[np.uint8]:
    tile = np.zeros((SIDE + LABEL, SIDE, 3), np.uint8)
    tile[:SIDE] = crop
    _write(tile, f"{sight.time:.2f} s  {100 * sight.share:.0f} %", SIDE + LABEL - 5)
    return tile


def _write(picture: npt.NDArray[np.uint8], text: str, y: int) -> None:
    cv2.putText(picture, text, (4, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)


def _key(sight: Sight) -> Key:
    return sight.frame, numbers(sight)
