"""How much of a face's detail is still visible in a masked picture, judged by pixels alone.

A face is recognised by how brightness changes inside it, at steps between about a sixteenth and an eighth of its size.
Both pictures are split into such bands, which also removes flat shifts of brightness. In each small neighbourhood, the
masked band is compared with the original one: if it follows it, and enough of its strength is left, the detail there
is visible. Noise of an encoder follows nothing, and a fill has no strength.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.geometry import Box

Grey = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

SHOWS = 0.25
"""A face shows if more than this share of its detail is visible."""

BANDS = ((0.0, 1 / 16), (1 / 24, 1 / 8))  # from fine to coarse, as fractions of the face's side
REACH = 1.2  # of a band's coarse end: the neighbourhood in which pictures are compared
FOLLOWS = 0.5  # correlation from which the masked picture follows the original
STRENGTH = 0.3  # share of the original's amplitude that must be left
FLAT = 2.0  # grey levels, root mean square: less than this is noise, not detail
INNER = 0.85  # of the box: its corners and rim show what is around the face
CONTEXT = 1.5  # a patch shows this much of a face's box
PATCH_SIDE = 96  # px: of a patch that shows a large face; finer detail is not needed to recognise anyone
SMALLEST = 10  # px: a face smaller than this has no detail


def patch_of(face: Box, width: int, height: int) -> tuple[Box, tuple[int, int], Box] | None:
    """The area around a face to compare, the width and height to compare it at, and the face within that patch.

    `width` and `height` are those of the picture, which the area does not leave: its border would look like detail.
    Large faces are made smaller; none is enlarged. None if too little of the face is there to have detail.
    """
    area = face.grown(CONTEXT).clipped(width, height)
    seen = face.clipped(width, height)
    if min(seen.width, seen.height) < SMALLEST:
        return None
    scale = min(1.0, PATCH_SIDE / (CONTEXT * face.side))
    size = max(8, round(area.width * scale)), max(8, round(area.height * scale))
    inside = face.moved(-area.x0, -area.y0).scaled(size[0] / area.width, size[1] / area.height)
    return area, size, inside


def visible_share(original: Grey, masked: Grey, face: Box) -> float | None:
    """Share (0 to 1) of the face's detail in `original` that `masked` still shows; None if there is no detail.

    Both are grey patches of the same shape; `face` is in their pixels and may reach beyond them. Of several bands, the
    one that shows most counts. Raises ValueError if the shapes differ.
    """
    if original.shape != masked.shape:
        raise ValueError(f"patches of different shapes: {original.shape} and {masked.shape}")
    inside = _ellipse(original.shape, face)
    before, after = original.astype(np.float32), masked.astype(np.float32)
    shares = [_share_in_band(before, after, inside, low * face.side, high * face.side) for low, high in BANDS]
    return max((share for share in shares if share is not None), default=None)


def _share_in_band(
    before: Plane, after: Plane, inside: npt.NDArray[np.bool_], fine: float, coarse: float
) -> float | None:
    coarse = max(1.0, coarse)
    a, b = (_blurred(p, fine) - _blurred(p, coarse) for p in (before, after))
    reach = max(1.5, REACH * coarse)
    aa, bb, ab = _blurred(a * a, reach), _blurred(b * b, reach), _blurred(a * b, reach)
    detail = float((a * a)[inside].mean()) if inside.any() else 0.0
    if detail < FLAT * FLAT:
        return None
    visible = (ab > FOLLOWS * np.sqrt(aa * bb) + 1e-3) & (ab > STRENGTH * aa)
    return float(aa[inside & visible].sum() / aa[inside].sum())


def _blurred(plane: Plane, sigma: float) -> Plane:
    if sigma < 0.5:
        return plane
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _centres(shape: tuple[int, ...]) -> tuple[Plane, Plane]:
    height, width = shape[:2]
    return np.arange(width, dtype=np.float32)[None, :] + 0.5, np.arange(height, dtype=np.float32)[:, None] + 0.5


def _ellipse(shape: tuple[int, ...], face: Box) -> npt.NDArray[np.bool_]:
    columns, rows = _centres(shape)
    (x, y), width, height = face.center, face.width / 2 * INNER, face.height / 2 * INNER
    return np.asarray(((columns - x) / width) ** 2 + ((rows - y) / height) ** 2 <= 1, np.bool_)


Look = Callable[[Box, int, int], Grey]
"""The part of an upright picture in a box, grey, at this width and height."""


@dataclass(frozen=True, slots=True)
class PicturePair:
    """An original picture and its masked one; `width` and `height` are the original's, upright."""

    width: int
    height: int
    original: Look
    masked: Look

    def visible_share(self, face: Box) -> float | None:
        """Share of the face's detail that the masked picture shows; None if there is none in the original.

        `face` is in pixels of the original.
        """
        found = patch_of(face, self.width, self.height)
        if found is None:
            return None
        area, size, inside = found
        return visible_share(self.original(area, *size), self.masked(area, *size), inside)
