"""CenterFace: its outputs are read correctly, and it finds the face that is there."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from core.detect.centerface import CenterFace, decode
from core.detect.registry import create
from core.geometry import iou
from tests.rigs.faces import FACE, astronaut, scenery


def test_it_finds_the_face_where_it_is() -> None:
    [found] = CenterFace(0.5).detect([astronaut()])
    assert len(found) == 1 and found[0].detector == "centerface"
    assert iou(found[0].box, FACE) > 0.4 and found[0].score > 0.8


@pytest.mark.parametrize("size", [(512, 512), (301, 200), (100, 333), (64, 64), (33, 31)])
def test_any_size_is_taken_and_boxes_are_in_its_pixels(size: tuple[int, int]) -> None:
    width, height = size
    picture = np.asarray(cv2.resize(astronaut(), size, interpolation=cv2.INTER_AREA), np.uint8)
    [found] = CenterFace(0.2).detect([picture])
    scale = width / astronaut().shape[1], height / astronaut().shape[0]
    if min(size) >= 200:
        assert any(iou(d.box, FACE.scaled(*scale)) > 0.3 for d in found)
    assert all(d.box.is_valid() and 0 <= d.score <= 1 for d in found)


def test_scenery_has_no_face() -> None:
    assert CenterFace(0.5).detect([scenery()]) == [[]]


def test_no_pictures_no_answers() -> None:
    assert create("centerface", 0.5).detect([]) == []


def test_the_box_of_a_cell() -> None:
    heatmap = np.zeros((1, 1, 4, 6), np.float32)
    heatmap[0, 0, 2, 3] = 0.7
    scale, offset = np.zeros((2, 1, 2, 4, 6), np.float32)
    scale[0, :, 2, 3] = math.log(5), math.log(3)  # height, width in cells
    offset[0, :, 2, 3] = 0.25, -0.25  # y, x
    boxes, scores = decode(heatmap, scale, offset, 0.5)
    assert np.allclose(scores, [0.7])
    middle_x, middle_y = (3 - 0.25 + 0.5) * 4, (2 + 0.25 + 0.5) * 4
    assert np.allclose(boxes, [[middle_x - 6, middle_y - 10, middle_x + 6, middle_y + 10]])
    assert len(decode(heatmap, scale, offset, 0.8)[0]) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_sizes_that_are_none_are_no_crash(value: float) -> None:
    heatmap = np.full((1, 1, 2, 2), 0.9, np.float32)
    scale, offset = np.full((2, 1, 2, 2, 2), value, np.float32)
    boxes, scores = decode(heatmap, scale, offset, 0.5)
    assert boxes.shape == (4, 4) and scores.shape == (4,)
