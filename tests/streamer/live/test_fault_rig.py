"""Tests of the fault tests' judge: it must notice every kind of leak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.pictures.planes import BgrImage
from tests.rigs import faces
from tests.rigs.camera.frame_code import cell_size
from tests.rigs.camera.recorder import Received
from tests.rigs.faults.clips import Footage, small_footage
from tests.rigs.faults.judge import Judge, Shown, missing


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    return small_footage(tmp_path_factory.mktemp("clip"))


def raw(footage: Footage, numbers: list[int]) -> list[BgrImage]:
    pictures = faces.read(footage.large)
    return [pictures[number] for number in numbers]


def covered(picture: BgrImage, footage: Footage, number: int) -> BgrImage:
    (box,) = footage.originals[0].faces[number]
    copy = picture.copy()
    copy[int(box.y0) - 30 : int(box.y1) + 30, int(box.x0) - 25 : int(box.x1) + 25] = 90
    return copy


def received(picture: BgrImage, number: int | None) -> Received:
    return Received(picture, 0.0, number)


@pytest.mark.slow
def test_raw_faces_are_seen_by_meter_and_detector(footage: Footage) -> None:
    numbers = [0, 31, 70]
    judged = Judge(footage.originals).judge(received(p, n) for p, n in zip(raw(footage, numbers), numbers, strict=True))
    assert [s.number for s in judged.shown] == numbers and judged.compared == 3
    for index in range(3):
        assert {leak.by[:5] for leak in judged.leaks if leak.index == index} == {"meter", "detec"}


@pytest.mark.slow
def test_a_raw_face_without_a_number_is_seen(footage: Footage) -> None:
    picture = raw(footage, [41])[0].copy()
    side = cell_size(picture.shape[1])
    picture[: 2 * side, : 11 * side] = 90
    judged = Judge(footage.originals).judge([received(picture, None)])
    assert judged.shown[0].number is None and {leak.by[:5] for leak in judged.leaks} == {"meter", "detec"}


def test_an_older_face_under_a_newer_number_is_seen(footage: Footage) -> None:
    old, new = raw(footage, [36, 40])
    mixed = new.copy()
    mixed[40:] = old[40:]
    judged = Judge(footage.originals).judge([received(mixed, 40)])
    assert any(leak.by.startswith("meter") for leak in judged.leaks)


def test_a_face_of_long_ago_in_a_new_picture_is_seen(footage: Footage) -> None:
    old, new = raw(footage, [10, 70])
    (face,) = footage.originals[0].faces[10]
    rows, columns = slice(int(face.y0), int(face.y1) + 1), slice(int(face.x0), int(face.x1) + 1)
    mixed = np.full_like(new, 90)
    mixed[:40], mixed[rows, columns] = new[:40], old[rows, columns]
    judged = Judge(footage.originals).judge([received(mixed, 70)])
    assert any(leak.by.startswith("meter") for leak in judged.leaks)


def test_a_raw_face_under_a_wrong_number_is_seen(footage: Footage) -> None:
    mixed, other = raw(footage, [10, 58])
    side = cell_size(mixed.shape[1])
    mixed = mixed.copy()
    mixed[: 2 * side, : 11 * side] = other[: 2 * side, : 11 * side]
    judged = Judge(footage.originals).judge([received(mixed, 58)])
    assert judged.shown[0].number == 58 and any(leak.by.startswith("meter") for leak in judged.leaks)


def test_masked_pictures_are_in_order(footage: Footage, tmp_path: Path) -> None:
    numbers = [0, 31, 70]
    pictures = [covered(p, footage, n) for p, n in zip(raw(footage, numbers), numbers, strict=True)]
    plain = np.full_like(pictures[0], 80)
    judged = Judge(footage.originals, tmp_path / "leaks").judge(received(p, None) for p in (*pictures, plain))
    assert judged.leaks == [] and not (tmp_path / "leaks").exists()
    assert [s.number for s in judged.shown] == [*numbers, None]


def test_the_smaller_clip_is_known_by_its_code(footage: Footage) -> None:
    import cv2

    small = faces.read(footage.small)[7]
    shown = np.asarray(cv2.resize(small, footage.originals[0].size, interpolation=cv2.INTER_CUBIC), np.uint8)
    judged = Judge(footage.originals).judge([received(shown, None)])
    assert (judged.shown[0].original, judged.shown[0].number) == (1, 7)
    assert {leak.by[:5] for leak in judged.leaks} == {"meter", "detec"}


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        ([1, 2, 3], 0),
        ([1, 2, 5, 6], 2),
        ([118, 119, 0, 1], 0),
        ([1, 2, None, None, 5, 6], 0),
        ([1, 2, None, 5, 6], 1),
        ([1, 2, 77, 4, 5], 0),
        ([1, 2, 3, 3, 4], 0),
        ([None], 0),
    ],
)
def test_missing(numbers: list[int | None], lost: int) -> None:
    assert missing([Shown(0.0, number, 0) for number in numbers], 120) == lost
