"""Suspects over time: which are faces, and what is masked because of them."""

from __future__ import annotations

import pytest

from core.frame import Origin
from core.geometry import Box
from core.verify.additions import added_regions, linked
from core.verify.chains import EAGER, LINK, STRICT, Chains, Sight
from core.verify.witnesses import Suspect

RATE = 25
BOX = Box(100, 100, 140, 150)


def sight(frame: int, evidence: float, share: float = 0.9, box: Box = BOX) -> Sight:
    return Sight(frame, frame / RATE, Suspect(box, min(1.0, evidence / 2), "yunet", ("yunet",), evidence), share)


def found(*sights: Sight) -> list[list[int]]:
    """The frames of the findings by the strict rule and by the eager one."""
    chains = Chains(STRICT, EAGER)
    for frame in range(60):
        chains.add(frame / RATE, [s for s in sights if s.frame == frame])
    return [[s.frame for s in findings] for findings in chains.finish()]


def test_one_sure_moment_is_a_face() -> None:
    assert found(sight(3, 2.1)) == [[3], [3]]
    assert found(sight(3, 1.1)) == [[], [3]]
    assert found(sight(3, 0.7)) == [[], []]


def test_a_masked_face_is_no_finding() -> None:
    assert found(sight(3, 2.0, share=0.1)) == [[], []]


def test_a_sure_moment_vouches_for_unsure_ones_around_it_masked_or_not_when_masking() -> None:
    masked = [sight(i, 2.0, share=0.0) for i in (4, 5)]
    assert found(*masked, sight(6, 0.6), sight(7, 0.6), sight(30, 0.6)) == [[], [6, 7]]


def test_unsure_sights_that_last_are_a_face_to_be_masked() -> None:
    few = [sight(i, 0.85) for i in range(4)]
    many = [sight(i, 0.85) for i in range(12)]
    assert found(*few) == [[], []]
    assert found(*many) == [[], list(range(12))]
    assert found(*(sight(i, 0.6) for i in range(12))) == [[], []]


def test_sights_at_different_places_do_not_add_up() -> None:
    assert found(*(sight(i, 0.85, box=BOX.moved(100 * (i % 2), 0)) for i in range(4))) == [[], []]


def test_two_faces_at_once() -> None:
    other = BOX.moved(300, 0)
    both = [s for i in range(5) for s in (sight(i, 2.1), sight(i, 0.6, box=other))]
    assert found(*both) == [list(range(5))] * 2


def test_findings_are_linked_across_checks() -> None:
    near, far = sight(6, 1.8, box=BOX.moved(20, 0)), sight(6, 1.8, box=BOX.moved(300, 0))
    late = sight(6 + int(LINK * RATE) + 2, 1.8, box=near.box)
    assert linked([sight(0, 1.8), near, far, late], 0.2) == [[sight(0, 1.8), near], [far], [late]]


def test_regions_between_checks_and_a_little_beyond() -> None:
    a, b = sight(20, 1.8), sight(25, 1.2, box=BOX.moved(30, 0))
    frames = [(i, i / RATE) for i in range(50)]
    regions = list(added_regions(frames, [a, b], 0.2, margin=1.3, first_track=7))
    covered = [i for i, r in enumerate(regions) if r]
    assert covered == list(range(12, 34)), "one interval and 0.12 s on both sides"
    assert all(r[0].track == 7 for r in regions if r)
    assert regions[20][0].box == BOX.grown(1.3) and regions[20][0].origin is Origin.SEEN
    assert regions[20][0].score == a.suspect.score
    between = regions[22][0]
    assert between.origin is Origin.INTERPOLATED and between.score == b.suspect.score
    assert between.box.center[0] == pytest.approx(BOX.center[0] + 12)
    assert between.box.width > 1.3 * BOX.width
    assert regions[12][0].origin is Origin.BACK_FILLED and regions[33][0].origin is Origin.CARRIED
    assert regions[33][0].box.center == b.box.center and regions[33][0].box.width > regions[26][0].box.width


def test_nothing_found_adds_nothing() -> None:
    assert list(added_regions([(0, 0.0), (1, 0.04)], [], 0.04, 1.3, 0)) == [[], []]
