"""The detectors find a real face at many sizes and put the box on it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.detect.detection import Detection, Detector
from core.detect.registry import DETECTORS, create, default_scales, find
from core.geometry import Box, iou
from core.pictures.planes import BgrImage
from tests.rigs.faces import FACE, astronaut, carphone, scenery

NAMES = sorted(DETECTORS)


@lru_cache
def detector(name: str) -> Detector:
    return create(name, 0.4)


def look(name: str, picture: BgrImage) -> list[Detection]:
    (found,) = detector(name).detect([picture])
    return found


def sized(side: int) -> BgrImage:
    return np.asarray(cv2.resize(astronaut(), (side, side), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [256, 320, 512, 500])
def test_the_astronaut_is_found_at_several_sizes(name: str, side: int) -> None:
    found = look(name, sized(side))
    assert len(found) == 1
    assert iou(found[0].box, FACE.scaled(side / 512, side / 512)) > 0.5
    assert 0.4 <= found[0].score <= 1 and found[0].detector == name and found[0].label == "face"


@pytest.mark.parametrize("side", [64, 96, 128, 1024])
def test_yunet_finds_small_and_large_faces(side: int) -> None:
    """From 15 to 244 px."""
    best = max(look("yunet", sized(side)), key=lambda found: found.score)
    assert iou(best.box, FACE.scaled(side / 512, side / 512)) > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_talking_man_is_found_in_every_frame(name: str) -> None:
    clip = carphone()
    for picture, (face,) in list(zip(clip.pictures, clip.faces, strict=True))[::12]:
        assert any(iou(found.box, face) > 0.4 for found in look(name, picture))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mirrored", [False, True])
def test_boxes_lie_where_the_face_is_in_pictures_of_any_shape(name: str, mirrored: bool) -> None:
    wide = np.zeros((300, 413, 3), np.uint8)
    wide[7:263, 101:357] = sized(256)
    face = FACE.scaled(0.5, 0.5).moved(101, 7)
    if mirrored:
        wide, face = np.ascontiguousarray(wide[:, ::-1]), Box(413 - face.x1, face.y0, 413 - face.x0, face.y1)
    (found,) = look(name, wide)
    assert iou(found.box, face) > 0.45


@pytest.mark.parametrize("name", NAMES)
def test_no_face_where_there_is_none(name: str) -> None:
    assert look(name, scenery()) == []
    assert look(name, np.zeros((96, 64, 3), np.uint8)) == []


@pytest.mark.parametrize("name", NAMES)
def test_one_answer_a_picture_in_their_order(name: str) -> None:
    answers = detector(name).detect([scenery(), sized(256), scenery(), sized(512)])
    assert [len(answer) for answer in answers] == [0, 1, 0, 1]
    assert detector(name).detect([]) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_picture_gives_the_same_answer(name: str) -> None:
    first = look(name, sized(512))
    look(name, sized(320))
    assert look(name, sized(512)) == first == create(name, 0.4).detect([sized(512)])[0]


def test_yunet_carries_nothing_over_from_a_larger_picture() -> None:
    """Its input array is used again: what a smaller picture does not fill must be black, not the one before."""
    odd = sized(500)[:330, :415]
    fresh = create("yunet", 0.05).detect([odd])
    used = create("yunet", 0.05)
    used.detect([np.full((640, 640, 3), 255, np.uint8)])
    assert used.detect([odd]) == fresh and fresh[0]


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_left_as_they_are(name: str) -> None:
    picture = sized(320)
    before = picture.copy()
    look(name, picture)
    assert np.array_equal(picture, before)
    view = sized(512)[:400, 50:450]  # not contiguous, as tiles are
    assert look(name, view) == look(name, np.ascontiguousarray(view))


def test_yunet_reports_nothing_below_the_score_asked_for() -> None:
    strict, lenient = (create("yunet", score).detect([sized(320)])[0] for score in (0.999, 0.05))
    assert strict == [] and lenient and all(found.score >= 0.05 for found in lenient)


@pytest.mark.parametrize("ask", [find, default_scales, lambda name: create(name, 0.5)])
def test_an_unknown_name_is_said_with_those_there_are(ask: object) -> None:
    assert callable(ask)
    names = "centerface, mediapipe, mediapipe-short, yunet"
    with pytest.raises(ValueError, match=f"unknown detector 'eyes'; there are: {names}"):
        ask("eyes")


@pytest.mark.parametrize("name", NAMES)
def test_its_name_is_the_one_it_is_chosen_by(name: str) -> None:
    assert detector(name).name == name
    assert default_scales(name) and not any(scale.every > 1 for scale in default_scales(name)[:1])


def test_licences_are_named_and_shipped_with_the_weights() -> None:
    assert all(entry.weights.license for entry in DETECTORS.values())
    import core

    for name in ("LICENSE-yunet", "LICENSE-centerface"):
        assert "MIT" in (Path(core.__file__).parent / "detect" / "weights" / name).read_text("utf-8")
