"""What counts as visible detail of a face, on a real photograph."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from core.geometry import Box
from core.verify.detail import SHOWS, Grey, PicturePair, patch_of, visible_share
from tests.rigs.faces import FACE, astronaut

ORIGINAL: Grey = np.asarray(cv2.cvtColor(astronaut(), cv2.COLOR_BGR2GRAY), np.uint8)
HIDDEN = FACE.grown(1.3)
Change = Callable[[Grey], Grey]


def part(picture: Grey, area: Box) -> tuple[slice, slice]:
    inside = area.clipped(picture.shape[1], picture.shape[0])
    return slice(int(inside.y0), int(inside.y1)), slice(int(inside.x0), int(inside.x1))


def share(masked: Grey, face: Box = FACE, original: Grey = ORIGINAL) -> float | None:
    def look(picture: Grey) -> Callable[[Box, int, int], Grey]:
        return lambda area, w, h: np.asarray(
            cv2.resize(picture[part(picture, area)], (w, h), interpolation=cv2.INTER_AREA), np.uint8
        )

    return PicturePair(original.shape[1], original.shape[0], look(original), look(masked)).visible_share(face)


def on_face(change: Change) -> Grey:
    out = ORIGINAL.copy()
    where = part(out, HIDDEN)
    out[where] = change(out[where])
    return out


def blurred(kernel: float) -> Change:
    return lambda face: np.asarray(cv2.GaussianBlur(face, (int(kernel) | 1, int(kernel) | 1), 0), np.uint8)


def mosaic(cells: int, how: int) -> Change:
    def change(face: Grey) -> Grey:
        small = cv2.resize(face, (cells, cells), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, face.shape[::-1], interpolation=how), np.uint8)

    return change


def noisy(picture: Grey, sigma: float) -> Grey:
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "masked",
    [
        ORIGINAL,
        noisy(ORIGINAL, 4),
        np.clip(ORIGINAL * 0.6 + 50, 0, 255).astype(np.uint8),
        cv2.imdecode(cv2.imencode(".jpg", ORIGINAL, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_GRAYSCALE),
    ],
    ids=["untouched", "noise", "darker and flatter", "coded badly"],
)
def test_what_is_not_hidden_shows(masked: Grey) -> None:
    assert (share(masked) or 0) > 0.8


@pytest.mark.parametrize("kernel", [FACE.height / 8, FACE.height / 4])
def test_a_blurred_face_that_can_be_recognised_shows(kernel: float) -> None:
    assert (share(on_face(blurred(kernel))) or 0) > SHOWS


@pytest.mark.parametrize(
    "change",
    [
        lambda face: np.zeros_like(face),
        lambda face: noisy(np.full_like(face, 120), 6),
        mosaic(1, cv2.INTER_NEAREST),
        mosaic(2, cv2.INTER_NEAREST),
        mosaic(2, cv2.INTER_LINEAR),
        blurred(FACE.height * 2),
    ],
    ids=["black", "grey with noise", "one average", "2 x 2 blocks", "2 x 2 smooth", "blurred out"],
)
def test_what_is_hidden_does_not(change: Change) -> None:
    assert (share(on_face(change)) or 0) < 0.1


def test_another_face_in_its_place_does_not() -> None:
    assert (share(on_face(lambda face: np.ascontiguousarray(face[::-1]))) or 0) < SHOWS


def test_half_a_mask_leaves_half_a_face() -> None:
    masked = ORIGINAL.copy()
    rows, columns = part(masked, HIDDEN)
    masked[rows, columns.start : (columns.start + columns.stop) // 2] = 0
    assert 0.25 < (share(masked) or 0) < 0.75


def test_a_flat_patch_has_no_detail() -> None:
    flat = noisy(np.full_like(ORIGINAL, 90), 1)
    assert share(flat, original=flat) is None


def test_a_face_of_a_few_pixels_has_no_detail() -> None:
    assert patch_of(Box(0, 0, 8, 8), 512, 512) is None and patch_of(Box(-90, 0, 8, 80), 512, 512) is None
    assert share(ORIGINAL, Box(0, 0, 8, 8)) is None


def test_what_lies_outside_the_picture_does_not_count() -> None:
    cut = Box(0, 0, 224, 512)  # the picture ends in the middle of the face
    left: Grey = np.ascontiguousarray(ORIGINAL[part(ORIGINAL, cut)])

    gone = left.copy()
    gone[:, 150:] = 100
    assert (share(gone, original=left) or 0) < 0.1 and (share(left, original=left) or 0) > 0.9


def test_patches_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        visible_share(ORIGINAL, ORIGINAL[1:], FACE)
