"""Whether a copy shows a face that its original shows: a detector that is none of this project's, and pixels."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import av
import cv2
import numpy as np
import numpy.typing as npt

from core.geometry import Box
from tests.bench.fuzz.reading import Reading
from tests.rigs.leaks import visible_share

Bgr = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.uint8]

SURE: Final = 0.8
"""Score from which on a find is a face that a copy must hide."""
VISIBLE: Final = 0.25
_SMALLEST: Final = 20.0  # pixels along the shorter side
_MOSAIC: Final = 6
_SAME: Final = 0.3  # overlap, area of both by area of either, of two finds of one face
_LEAST_DETAIL: Final = 4.0
_NETWORK: Final = Path(__file__).parents[2] / "data" / "face_detection_yunet_2023mar.onnx"


def shown_faces(source: Reading, copy: Reading, originals: Sequence[Bgr], chance: Random, looks: int = 8) -> list[str]:
    """A line for each face of the original that can be recognised in the copy; some pictures of both are looked at.

    `originals` are the pictures before any damage: the copy's decoder may have made more of a file than ours.
    """
    size = _common_size(copy)
    if size is None or not source.pictures:
        return []
    found: list[str] = []
    for index in _some(len(source.pictures), looks, chance):
        before = _bgr(source.pictures[index], size)
        faces = _faces(before)
        if not faces:
            continue
        grey = _grey(before)
        near = [(other, _grey(_bgr(copy.pictures[other], size))) for other in _candidates(source, copy, index)]
        for score, box in faces:
            for other, after in near:
                if (share := _visible(grey, after, box)) > VISIBLE:
                    found.append(
                        f"picture {index} (score {score:.2f}) shows {share:.0%} of a face in {other} of the copy"
                    )
                    break
    for index in _some(len(copy.pictures), looks, chance):
        after = _bgr(copy.pictures[index], size)
        for score, box in _faces(after):
            sources = [_bgr(source.pictures[other], size) for other in _candidates(copy, source, index)]
            sources += [np.asarray(cv2.resize(picture, size), np.uint8) for picture in originals]
            share = max((_share_there(before, _grey(after), box) for before in sources), default=0.0)
            if share > VISIBLE:
                found.append(f"picture {index} of the copy has a face in it (score {score:.2f}, {share:.0%} of one)")
    return found


def _share_there(before: Bgr, after: Grey, box: Box) -> float:
    """How much can be seen of a face of `before` about where `after` seems to have one: blots can look like faces."""
    near = [face for _, face in _faces(before) if _overlap(face, box) > _SAME]
    return max((_visible(_grey(before), after, face) for face in near), default=0.0)


def _overlap(a: Box, b: Box) -> float:
    both = Box(max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1)).area
    return both / max(a.area + b.area - both, 1e-9)


def _common_size(copy: Reading) -> tuple[int, int] | None:
    return (copy.pictures[0].width, copy.pictures[0].height) if copy.pictures else None


def _some(count: int, looks: int, chance: Random) -> list[int]:
    return sorted(chance.sample(range(count), min(count, looks)))


def _candidates(one: Reading, other: Reading, index: int) -> list[int]:
    """Pictures of `other` that can be picture `index` of `one`: that of its number, or those shown about that time.

    A neighbour is no match: after damage it can hold a ghost of a face that nobody, and no detector, sees in this one.
    """
    count = len(other.pictures)
    if len(one.pictures) == count:
        return [index]
    found = {index}
    start, when = one.seconds[0], one.seconds[index]
    if start is not None and when is not None and other.seconds and other.seconds[0] is not None:
        first = other.seconds[0]
        times = np.array([np.inf if s is None else abs(s - first - (when - start)) for s in other.seconds])
        found |= {int(i) for i in np.argsort(times, kind="stable")[:2]}
    return [i for i in sorted(found) if 0 <= i < count]


def _bgr(frame: av.VideoFrame, size: tuple[int, int]) -> Bgr:
    bgr = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    if (frame.width, frame.height) != size:
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    return bgr


def _grey(bgr: Bgr) -> Grey:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)


@functools.cache
def _detector() -> cv2.FaceDetectorYN:
    return cv2.FaceDetectorYN.create(str(_NETWORK), "", (320, 240), SURE, 0.3, 50)


def _faces(bgr: Bgr) -> list[tuple[float, Box]]:
    height, width = bgr.shape[:2]
    if min(width, height) < 32:
        return []
    detector = _detector()
    detector.setInputSize((width, height))
    rows = detector.detect(bgr)[1]
    boxes = (
        [] if rows is None else [(float(r[14]), Box(*map(float, (r[0], r[1], r[0] + r[2], r[1] + r[3])))) for r in rows]
    )
    inside = [(score, box.clipped(width, height)) for score, box in boxes]
    return [(score, box) for score, box in inside if min(box.width, box.height) >= _SMALLEST]


def _visible(before: Grey, after: Grey, box: Box) -> float:
    """Share of the face's detail that is still there; 0 where there is so little that nobody could be recognised."""
    window = slice(int(box.y0), int(box.y1) + 1), slice(int(box.x0), int(box.x1) + 1)
    crop = before[window]
    detail = crop.astype(np.float32) - cv2.GaussianBlur(crop.astype(np.float32), (0, 0), max(1.0, box.side / 16))
    if float((detail**2).mean()) < _LEAST_DETAIL:
        return 0.0
    coarse = before.copy()
    tiles = cv2.resize(crop, (_MOSAIC, _MOSAIC), interpolation=cv2.INTER_AREA)
    coarse[window] = cv2.resize(tiles, crop.shape[::-1], interpolation=cv2.INTER_LINEAR)
    if visible_share(before, coarse, box) > VISIBLE:
        return 0.0  # no sharper than a mosaic of itself
    return visible_share(before, after, box)
