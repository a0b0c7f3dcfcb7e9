"""The second detector's word: what it adds to a find, what it takes away, and when it is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from core.config import SecondConfig, TrackConfig
from core.detect.detection import Detection
from core.detect.second_opinion import LOWEST_SCORE, SecondOpinion
from core.geometry import Box
from core.pictures.planes import BgrImage
from tests.rigs.fakes import found

CONFIG = SecondConfig(
    weak_score=0.1, trusted_score=0.8, neutral_score=0.1, weight=0.5, crops=2, crop_side=128, memory=0.5, interval=1.0
)
PLACE = found(100, 100, 140, 140)


class Witness:
    """Sees a face in the middle of every crop, as large as the find, with `score`; counts what it is shown."""

    name = "witness"

    def __init__(self, score: float = 0.0) -> None:
        self.score = score
        self.shown = 0

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        self.shown += len(pictures)
        third = 128 / 3
        return [[found(third, third, 2 * third, 2 * third, self.score)] if self.score else [] for _ in pictures]


def crop(_: Box, side: int) -> BgrImage:
    return np.zeros((side, side, 3), np.uint8)


def at(x: float, score: float) -> Detection:
    return found(x, 100, x + 40, 140, score)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        pytest.param(0.3, 0.1, 0.3, id="neither for nor against"),
        pytest.param(0.3, 1.0, 0.8, id="for it, ten times"),
        pytest.param(0.7, 0.01, 0.2, id="against it, ten times"),
        pytest.param(0.7, 0.0, 0.2, id="nothing seen counts as the lowest score"),
        pytest.param(0.1, 0.01, 0.0, id="never below 0"),
        pytest.param(0.79, 1.0, 1.0, id="never above 1"),
        pytest.param(0.8, 0.0, 0.8, id="trusted: not asked"),
        pytest.param(0.09, 1.0, 0.09, id="too weak: not asked"),
    ],
)
def test_both_scores_count(first: float, second: float, together: float) -> None:
    [weighed] = SecondOpinion(Witness(second), CONFIG).weigh(0.0, [at(100, first)], crop)
    assert math.isclose(weighed.score, together, abs_tol=1e-9)
    assert weighed.box == PLACE.box, "the first detector's box stays"


def test_a_face_elsewhere_in_the_crop_says_nothing_for_the_find() -> None:
    class Beside(Witness):
        def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
            return [[found(0, 0, 40, 40, 1.0)] for _ in pictures]

    [weighed] = SecondOpinion(Beside(), CONFIG).weigh(0.0, [at(100, 0.5)], crop)
    assert weighed.score < 0.1


def test_what_was_said_about_a_place_counts_for_a_while() -> None:
    witness = Witness(1.0)
    opinion = SecondOpinion(witness, CONFIG)
    opinion.weigh(0.0, [at(100, 0.3)], crop)
    [again] = opinion.weigh(0.4, [at(104, 0.3)], crop)
    assert witness.shown == 1 and again.score == 0.8
    opinion.weigh(0.55, [at(104, 0.3)], crop)
    assert witness.shown == 2, "memory is over"


def test_a_find_that_has_become_clearer_is_shown_again() -> None:
    witness = Witness()
    opinion = SecondOpinion(witness, CONFIG)
    opinion.weigh(0.0, [at(100, 0.3)], crop)
    witness.score = 1.0
    [weighed] = opinion.weigh(0.1, [at(100, 0.5)], crop)
    assert witness.shown == 2 and weighed.score == 1.0


def test_a_new_scene_forgets_what_was_said() -> None:
    witness = Witness()
    opinion = SecondOpinion(witness, CONFIG)
    opinion.weigh(0.0, [at(100, 0.3)], crop)
    opinion.forget()
    opinion.weigh(0.1, [at(100, 0.3)], crop)
    assert witness.shown == 2
    assert opinion.is_due(0.1)


def test_only_so_many_are_asked_about_and_the_rest_keep_their_score() -> None:
    witness = Witness()
    finds = [at(0, 0.5), found(200, 0, 300, 100, 0.5), at(400, 0.3), at(600, 0.7)]
    weighed = SecondOpinion(witness, CONFIG).weigh(0.0, finds, crop)
    assert witness.shown == 2
    # The largest of those that would be painted first: they spoil the most.
    assert [after.score < before.score for before, after in zip(finds, weighed, strict=True)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_search_finds_faces_by_itself_and_hears_weak_ones() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)

    class Whole(Witness):
        def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
            self.shown += len(pictures)
            return [[found(50, 50, 70, 70, 0.2), found(10, 10, 30, 30, 0.5)] for _ in pictures]

    witness = Whole()
    opinion = SecondOpinion(witness, CONFIG)
    assert opinion.is_due(3.0)
    sure = opinion.search(3.0, picture, (2.0, 2.0), [at(100, 0.3)])
    assert [d.box for d in sure] == [Box(20, 20, 60, 60)]
    assert not opinion.is_due(3.9) and opinion.is_due(4.0)
    [weighed] = opinion.weigh(3.0, [at(100, 0.3)], crop)
    assert weighed.score > 0.4 and witness.shown == 1, "it was seen in the whole picture, a crop is not needed"


def test_silence_in_the_whole_picture_is_no_denial() -> None:
    opinion = SecondOpinion(Witness(), CONFIG)
    opinion.search(0.0, np.zeros((64, 64, 3), np.uint8), (1.0, 1.0), [at(100, 0.3)])
    witness = Witness(1.0)
    opinion._detector = witness
    [weighed] = opinion.weigh(0.0, [at(100, 0.3)], crop)
    assert witness.shown == 1 and weighed.score == 0.8


@pytest.mark.parametrize("score", [math.nan, -1.0, math.inf])
def test_a_score_that_is_none_stays_one(score: float) -> None:
    [weighed] = SecondOpinion(Witness(1.0), CONFIG).weigh(0.0, [at(100, score)], crop)
    assert weighed.score == score or (math.isnan(score) and math.isnan(weighed.score))


def test_by_default_silence_denies_a_find_that_would_be_painted() -> None:
    default = SecondConfig()
    denied = default.weight * math.log10(LOWEST_SCORE / default.neutral_score)
    assert default.trusted_score + denied < TrackConfig().new_track_score
