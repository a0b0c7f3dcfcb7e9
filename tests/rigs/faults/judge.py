"""Searches every picture that a client received for unmasked faces."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from core.detect.registry import create
from core.geometry import Box
from core.pictures.planes import BgrImage
from tests.rigs import faces, leaks
from tests.rigs.camera.frame_code import read
from tests.rigs.camera.recorder import Received
from tests.rigs.faces import Grey

LEAK_SHARE = 0.25
NEIGHBOURS = (0, -2, -4, 2)
"""Damage may show an older picture under a newer number."""
USUAL_STEP = 3  # from one number to the next
STRIDE = 2  # pictures between two originals that one without a number is compared with
FACE_SCORE = 0.7
_LEAST = 0.02  # of a face's detail: with less than a quarter of its blocks at 30 % of their amplitude nothing leaks

_PLAIN = 0.02  # variance of a picture in one colour

Meter = Callable[[Grey, Grey, Box], float | None]
"""Share of a face's detail, 0 to 1, that can be seen in the second picture; None where it has none."""


def meter() -> Meter:
    """The leak meter's own measure where it is at hand, beside the corpus, else that of the tests."""
    path = Path(os.environ.get("VEILCAST_CORPUS") or "/nonexistent").parent / "tools" / "leakmeter.py"
    if not path.is_file():
        return leaks.visible_share
    spec = importlib.util.spec_from_file_location("leakmeter", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def share(before: Grey, after: Grey, face: Box) -> float | None:
        value: float | None = module.visible_share(before, after, (face.x0, face.y0, face.x1, face.y1))
        return value

    return share


@dataclass(frozen=True)
class Original:
    """A clip as the camera showed it: grey pictures, by their numbers, and the faces in each."""

    pictures: Sequence[Grey]
    faces: Sequence[Sequence[Box]]

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.pictures[0].shape
        return width, height

    @staticmethod
    def read(path: Path, boxes: Sequence[Sequence[Box]]) -> Original:
        return Original(faces.read_grey(path), boxes)


@dataclass(frozen=True)
class Shown:
    """One received picture: when it came, its number, and which original it is of (None: masked whole, or slate)."""

    arrived: float
    number: int | None
    original: int | None


@dataclass(frozen=True)
class Leak:
    """A face that can be seen; `share` is the detector's score where it was the detector that saw it."""

    index: int
    number: int | None
    share: float
    by: str


@dataclass
class Judgement:
    """The result for a whole recording."""

    shown: list[Shown] = field(default_factory=list)
    compared: int = 0
    """Faces compared with their originals, on pictures that carry a number."""
    leaks: list[Leak] = field(default_factory=list)


class Judge:
    """Compares received pictures with the originals. `keep` is a folder for the pictures that leak."""

    def __init__(self, originals: Sequence[Original], keep: Path | None = None) -> None:
        self._originals = originals
        self._sizes = [original.size for original in originals]
        self._meter = meter()
        self._detector = create("yunet", FACE_SCORE)
        self._keep = keep
        self._last: int | None = None
        self._known: dict[tuple[int, int], list[_Place]] = {}

    def judge(self, received: Iterable[Received]) -> Judgement:
        """All of a recording."""
        found = Judgement()
        for index, picture in enumerate(received):
            which, number = self._place(picture)
            found.shown.append(Shown(picture.arrived, number, which))
            grey = np.asarray(cv2.cvtColor(picture.bgr, cv2.COLOR_BGR2GRAY), np.uint8)
            leaks = list(self._raw(index, which, number, grey, found))
            if self._detector_sees(picture.bgr):
                leaks.append(Leak(index, number, FACE_SCORE, "detector"))
            found.leaks += leaks
            if leaks and self._keep is not None:
                self._keep.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(self._keep / f"leak-{index:06d}.png"), picture.bgr)
        return found

    def _place(self, picture: Received) -> tuple[int | None, int | None]:
        """The matching original clip and the picture number in it."""
        for which, size in enumerate(self._sizes):
            bgr = picture.bgr
            if (bgr.shape[1], bgr.shape[0]) != size:
                bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
            number = read(bgr)
            if number is not None and number < len(self._originals[which].pictures):
                return which, number
        return None, None

    def _raw(self, index: int, which: int | None, number: int | None, grey: Grey, found: Judgement) -> Iterator[Leak]:
        count = len(self._originals[which or 0].pictures)
        numbers = [] if number is None else [(number + by) % count for by in NEIGHBOURS]
        sure = frozenset(numbers)
        if number is None or self._last is None or not 0 < (number - self._last) % count <= USUAL_STEP:
            # Nothing says for sure which it is: a mask that reaches into the code may change what is read.
            numbers += range(0, count, STRIDE)
        if number is not None:
            found.compared += len(self._originals[which or 0].faces[number])
        self._last, which = number, which or 0
        if float(grey.var()) < _PLAIN:
            return
        original = self._originals[which]
        if (grey.shape[1], grey.shape[0]) != original.size:
            grey = np.asarray(cv2.resize(grey, original.size, interpolation=cv2.INTER_AREA), np.uint8)
        for near in numbers:
            for face, place in zip(original.faces[near], self._places(which, near), strict=True):
                if place.blank(grey):
                    continue
                share = self._meter(original.pictures[near], grey, face)
                if share is None or share <= LEAK_SHARE:
                    continue
                # What lies beside a masked face may look like a part of one in some other picture.
                if near in sure or number is None or _more_like(grey, original, near, number, face):
                    yield Leak(index, number, share, f"meter, original {near}")
                    return

    def _places(self, which: int, number: int) -> list[_Place]:
        key = which, number
        if key not in self._known:
            original = self._originals[which]
            self._known[key] = [_Place(original.pictures[number], face) for face in original.faces[number]]
        return self._known[key]

    def _detector_sees(self, bgr: BgrImage) -> bool:
        height, width = bgr.shape[:2]
        size = 640 if width > 640 else 320
        high = round(size * height / width / 32) * 32
        small = np.asarray(cv2.resize(bgr, (size, high), interpolation=cv2.INTER_AREA), np.uint8)
        return bool(self._detector.detect([small])[0])


def _more_like(shown: Grey, original: Original, one: int, other: int, face: Box) -> bool:
    """Whether the picture, where `face` is, is rather the first original than the second."""
    width, height = original.size
    area = face.clipped(width, height)
    window = slice(int(area.y0), int(area.y1) + 1), slice(int(area.x0), int(area.x1) + 1)
    near, far = (
        np.abs(shown[window].astype(np.int16) - original.pictures[n][window].astype(np.int16)).mean()
        for n in (one, other)
    )
    return bool(near <= far)


class _Place:
    """Where a face is, and how little there must be for nothing of it to be seen."""

    def __init__(self, before: Grey, face: Box) -> None:
        height, width = before.shape
        box = face.clipped(width, height)
        self._window = slice(int(box.y0), int(box.y1) + 1), slice(int(box.x0), int(box.x1) + 1)
        crop = before[self._window].astype(np.float32)
        detail = crop - cv2.GaussianBlur(crop, (0, 0), max(1.0, face.side / 16))
        cx, cy = face.center
        x = (np.arange(crop.shape[1]) + self._window[1].start - cx) / face.width
        y = (np.arange(crop.shape[0]) + self._window[0].start - cy) / face.height
        self._inside = x[None, :] ** 2 + y[:, None] ** 2 < 0.25
        self._least = _LEAST * float((detail[self._inside] ** 2).mean())

    def blank(self, after: Grey) -> bool:
        """Whether nothing of the face can be seen there."""
        return float(np.var(after[self._window][self._inside], dtype=np.float32)) < self._least


def missing(shown: Sequence[Shown], count: int) -> int:
    """How many pictures of a clip of `count`, shown in a loop, are not there between the first and the last one.

    Pictures masked whole have no number, but count as there; so do those whose number fits neither neighbour.
    """
    lost, last, between = 0, None, 0
    for index, picture in enumerate(shown):
        number = picture.number
        if number is None or not _fits(shown, index, count):
            between += 1
            continue
        if last is not None and number != last:
            lost += max(0, (number - last - 1) % count - between)
        last, between = number, 0
    return lost


def _fits(shown: Sequence[Shown], index: int, count: int) -> bool:
    """Whether a number goes on from the one before it, or to the one after it."""
    pairs = [(a, b) for a, b in ((index - 1, index), (index, index + 1)) if a >= 0 and b < len(shown)]
    numbers = [(shown[a].number, shown[b].number) for a, b in pairs]
    return any(a is not None and b is not None and (b - a) % count == 1 for a, b in numbers)
