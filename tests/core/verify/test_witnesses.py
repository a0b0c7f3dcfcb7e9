"""How much speaks for a face at a place."""

from __future__ import annotations

import pytest

from core.detect.detection import Detection
from core.geometry import Box
from core.verify.witnesses import SURE, best_of, suspects

PLACE = Box(10, 10, 50, 60)
NEAR, FAR = PLACE.moved(4, 3), PLACE.moved(200, 0)


def seen(detector: str, score: float, box: Box = PLACE) -> Detection:
    return Detection(box, score, detector)


@pytest.mark.parametrize("detector", SURE)
def test_one_detector_can_be_sure_alone(detector: str) -> None:
    (suspect,) = suspects([seen(detector, SURE[detector])])
    assert suspect.evidence == pytest.approx(1) and suspect.witnesses == (detector,)


def test_two_that_are_half_sure_are_as_good_at_one_place_only() -> None:
    half = [seen("yunet", SURE["yunet"] / 2), seen("centerface", SURE["centerface"] / 2, NEAR)]
    (together,) = suspects(half)
    assert together.evidence == pytest.approx(1) and together.witnesses == ("centerface", "yunet")
    apart = suspects([half[0], seen("centerface", SURE["centerface"] / 2, FAR)])
    assert [s.evidence for s in apart] == pytest.approx([0.5, 0.5])


def test_the_same_detector_twice_is_one_witness() -> None:
    (suspect,) = suspects([seen("yunet", 0.3), seen("yunet", 0.28, NEAR)])
    assert suspect.evidence == pytest.approx(0.3 / SURE["yunet"])


@pytest.mark.parametrize("detection", [seen("yunet", 0.12), seen("other", 0.9), seen("yunet", 0.9, Box(0, 0, 0, 9))])
def test_what_is_not_followed(detection: Detection) -> None:
    assert suspects([detection]) == []


def test_one_for_each_place_best_first() -> None:
    found = suspects([seen("yunet", 0.5), seen("yunet", 0.9, FAR), seen("centerface", 0.1, NEAR)])
    assert [(s.box, s.score) for s in found] == [(FAR, 0.9), (PLACE, 0.5)]


def test_the_best_of_several_sizes() -> None:
    assert best_of([seen("yunet", 0.3, NEAR), seen("yunet", 0.6), seen("yunet", 0.2, FAR)]) == [
        seen("yunet", 0.6),
        seen("yunet", 0.2, FAR),
    ]
