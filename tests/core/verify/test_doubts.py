"""Which masks a person should look at."""

from __future__ import annotations

from core.frame import Origin, Region
from core.geometry import Box
from core.verify.doubts import MOST, Doubt, DoubtLog

SIZE = (640, 360)
MIDDLE, EDGE = Box(300, 100, 360, 170), Box(-5, 100, 55, 170)


def doubts(*tracks: list[tuple[int, Region]], frames: int = 100) -> list[Doubt]:
    log = DoubtLog()
    for frame in range(frames):
        log.add(frame / 25, [region for track in tracks for at, region in track if at == frame], SIZE)
    return log.finish()


def life(
    track: int, begin: int, seen: int, carried: int = 0, score: float = 0.9, box: Box = MIDDLE
) -> list[tuple[int, Region]]:
    sure = [(begin + i, Region(box, track, score=score)) for i in range(seen)]
    return sure + [(begin + seen + i, Region(box, track, score=score, origin=Origin.CARRIED)) for i in range(carried)]


def test_a_sure_face_that_stays_is_no_doubt() -> None:
    assert doubts(life(0, 0, 100)) == []


def test_a_weak_one_is() -> None:
    (doubt,) = doubts(life(0, 10, 20, score=0.45))
    assert doubt.why == ("weak",) and doubt.track == 0 and doubt.box == MIDDLE
    assert (doubt.start, doubt.end) == (10 / 25, 29 / 25) and 0 < doubt.doubt < 1


def test_the_weaker_the_more_doubtful() -> None:
    found = doubts(life(0, 10, 20, score=0.65), life(1, 10, 20, score=0.4), life(2, 10, 20, score=0.5))
    assert [d.track for d in found] == [1, 2, 0]


def test_one_that_was_found_once_is() -> None:
    (doubt,) = doubts(life(0, 10, 1))
    assert doubt.why == ("lone",)


def test_one_that_is_lost_in_the_middle_is_but_not_at_the_edge_and_not_at_a_cut() -> None:
    (doubt,) = doubts(life(0, 0, 50, carried=6), life(1, 0, 50, carried=6, box=EDGE), life(2, 0, 50))
    assert doubt.why == ("ended",) and doubt.track == 0
    assert doubt.end == 55 / 25 and doubt.start >= doubt.end - 1, "the last second is what to look at"


def test_reasons_add_up() -> None:
    once, all_three = doubts(life(0, 10, 1), life(1, 40, 1, carried=5, score=0.4))[::-1]
    assert once.doubt < all_three.doubt and all_three.why == ("weak", "lone", "ended")


def test_the_list_is_bounded_and_keeps_the_worst() -> None:
    many = [life(i, i % 90, 2, score=0.4 + 0.001 * i) for i in range(MOST + 50)]
    found = doubts(*many)
    assert [d.track for d in found] == list(range(MOST))


def test_regions_without_a_track_are_nobody() -> None:
    assert doubts([(3, Region(MIDDLE, -1, score=0.3))]) == []
