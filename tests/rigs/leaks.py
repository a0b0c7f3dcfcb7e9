"""What of a picture's detail can still be seen after masking, judged by pixels alone."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from core.geometry import Box
from tests.rigs.faces import Grey

Plane = npt.NDArray[np.float64]
BLOCKS = 7  # blocks along a face's longer side


def survives(before: Grey, after: Grey, scale: float, block: int) -> tuple[Plane, Plane]:
    """For every block: 1 where its detail still follows the original's, else 0; and how much detail there was."""
    a, b = (p.astype(np.float64) - cv2.GaussianBlur(p.astype(np.float64), (0, 0), scale) for p in (before, after))

    def mean(plane: Plane) -> Plane:
        rows, columns = (length // block * block for length in plane.shape)
        tiles = plane[:rows, :columns].reshape(rows // block, block, columns // block, block)
        return np.asarray(tiles.mean(axis=(1, 3)), np.float64)

    aa, bb, ab = mean(a * a), mean(b * b), mean(a * b)
    alike = ab > 0.5 * np.sqrt(aa * bb) + 1e-9
    return (alike & (ab > 0.3 * aa)).astype(np.float64), aa


def visible_share(before: Grey, after: Grey, face: Box) -> float:
    """Share of the detail inside a face's ellipse, 0 to 1, that is still there."""
    height, width = before.shape
    inside = face.clipped(width, height)
    window = slice(int(inside.y0), int(inside.y1) + 1), slice(int(inside.x0), int(inside.x1) + 1)
    block = max(3, round(face.side / BLOCKS))
    alive, energy = survives(before[window], after[window], max(1.0, face.side / 16), block)
    ys, xs = (np.arange(n) * block + block / 2 for n in alive.shape)
    (cx, cy), dx, dy = face.center, window[1].start, window[0].start
    u, v = (xs + dx - cx) / face.width * 2, (ys + dy - cy) / face.height * 2
    energy[u[None, :] ** 2 + v[:, None] ** 2 > 0.8] = 0
    return float((alive * energy).sum() / max(energy.sum(), 1e-9))


def leaks(before: Sequence[Grey], after: Sequence[Grey], faces: Sequence[Sequence[Box]]) -> list[int]:
    """The frames in which more than a quarter of some face's detail can still be seen."""
    frames = enumerate(zip(before, after, faces, strict=True))
    return [i for i, (a, b, boxes) in frames if any(visible_share(a, b, box) > 0.25 for box in boxes)]


def untouched_share(before: Grey, after: Grey, faces: Sequence[Box], block: int = 16) -> float:
    """Share of the detailed blocks away from all faces that are as they were."""
    alive, energy = survives(before, after, 4.0, block)
    ys, xs = (np.arange(n) * block + block / 2 for n in alive.shape)
    keep = energy > 25
    for box in (face.grown(2, block) for face in faces):
        keep &= ~(((xs > box.x0) & (xs < box.x1))[None, :] & ((ys > box.y0) & (ys < box.y1))[:, None])
    return float(alive[keep].mean()) if keep.any() else 1.0
