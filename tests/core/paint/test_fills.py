"""Averages are kept for a while, never longer, and never for another region."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np
import pytest

from core.paint.fills import Fill, Fills
from core.paint.styles import Alpha, Placed, Span
from core.pictures.planes import Samples

PARTS = (2, 2)


class _Averages:
    """Counts how often averages are asked for; each time they are one brighter."""

    def __init__(self, channels: tuple[int, ...] = ()) -> None:
        self.taken = 0
        self._shape = (2, 2, *channels)

    def __call__(self) -> Samples:
        self.taken += 1
        return np.full(self._shape, self.taken, np.uint8)


def _run(fills: Fills, averages: _Averages, times: list[float], name: Hashable = "face") -> Iterator[Fill]:
    for time in times:
        fills.begin(time)
        yield fills.get(name, PARTS, averages)


@pytest.mark.parametrize(
    ("refresh", "times", "expected"),
    [
        (1.0, [0.0, 0.5, 0.99], [1, 1, 1]),
        (1.0, [0.0, 0.5, 1.0, 1.5, 2.5], [1, 1, 2, 2, 3]),
        (0.0, [0.0, 0.04, 0.04], [1, 2, 3]),
        (1.0, [5.0, 4.0], [1, 2]),  # a clock that goes back
        (1.0, [0.0, 3600.0], [1, 2]),
    ],
)
def test_averages_are_kept_for_as_long_as_was_asked(refresh: float, times: list[float], expected: list[int]) -> None:
    fills = Fills(refresh, smooth=True)
    assert [int(fill.grid[0, 0]) for fill in _run(fills, _Averages(), times)] == expected


class _Scripted:
    """Gives these levels, one after the other."""

    def __init__(self, *levels: int) -> None:
        self.levels = list(levels)

    def __call__(self) -> Samples:
        return np.full((2, 2), self.levels.pop(0), np.uint8)


def _shown(fills: Fills, take: _Scripted, times: list[float], slight: int = 0) -> list[int]:
    shown = []
    for time in times:
        fills.begin(time)
        shown.append(int(fills.get("face", PARTS, take, slight).grid[0, 0]))
    return shown


def test_gradual_colours_change_in_small_steps() -> None:
    fills = Fills(1.0, smooth=True, gradual=True)
    times = [0.0, 0.5, 1.0, 1.04, 1.12, 1.2, 1.25, 1.9, 2.0, 2.04]
    assert _shown(fills, _Scripted(60, 120, 0), times) == [60, 60, 60, 80, 100, 120, 120, 120, 120, 80]


def test_gradual_colours_go_on_from_where_they_are_and_jump_after_a_gap() -> None:
    fills = Fills(1.0, smooth=True, gradual=True)
    assert _shown(fills, _Scripted(60, 120, 30), [0.0, 1.0, 1.04, 2.0, 2.04]) == [60, 60, 80, 120, 90]
    assert _shown(fills, _Scripted(7, 9), [40.0, 39.0]) == [7, 9]


def test_gradual_colours_ignore_slight_changes() -> None:
    fills, take = Fills(1.0, smooth=True, gradual=True), _Scripted(60, 63, 56, 66)
    assert _shown(fills, take, [0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5], slight=4) == [60, 60, 60, 60, 60, 60, 66]


def test_gradual_colours_without_a_refresh_are_those_of_every_frame() -> None:
    fills = Fills(0.0, smooth=True, gradual=True)
    assert _shown(fills, _Scripted(60, 120, 30), [0.0, 0.04, 0.08]) == [60, 120, 30]


def test_a_region_without_a_name_is_never_kept() -> None:
    averages = _Averages()
    list(_run(Fills(1.0, smooth=True), averages, [0.0, 0.1], None))
    assert averages.taken == 2


def test_a_region_that_was_absent_for_a_frame_starts_over() -> None:
    fills, averages = Fills(1.0, smooth=True), _Averages()
    list(_run(fills, averages, [0.0]))
    fills.begin(0.1)
    list(_run(fills, averages, [0.2]))
    assert averages.taken == 2


def test_other_parts_get_new_averages() -> None:
    fills = Fills(1.0, smooth=True)
    list(_run(fills, _Averages(), [0.0]))
    fills.begin(0.1)
    fill = fills.get("face", (1, 2), _Averages())
    assert (fill.parts, fill.taken) == ((1, 2), 0.1)


def _placed(span: Span, level: int, shape: Hashable) -> Placed:
    cover = np.full((span.height, span.width), level, np.uint8)
    return Placed(span, Alpha(cover, np.asarray(255 - cover, np.uint8)), (1.0, 1.0), shape)


def test_what_was_drawn_is_used_again_for_the_same_shape_only() -> None:
    fills = Fills(1.0, smooth=False)
    fills.begin(0.0)
    fill = fills.get("face", PARTS, lambda: np.full((2, 2), 200, np.uint8))
    span = Span(3, 4, 13, 24)
    first = fills.painted(fill, _placed(span, 255, "a"), span)
    assert (first == 200).all()
    moved = Span(5, 8, 15, 28)
    assert fills.painted(fill, _placed(moved, 255, "a"), moved) is first
    half = fills.painted(fill, _placed(span, 51, "b"), span)
    assert (half == 40).all()
    unknown = fills.painted(fill, _placed(span, 102, None), span)
    assert (unknown == 80).all()
    other = fills.painted(fill, _placed(span, 153, None), span)
    assert (other == 120).all()


@pytest.mark.parametrize("channels", [(), (3,)])
def test_drawn_fills_past_the_budget_are_not_kept(channels: tuple[int, ...]) -> None:
    span = Span(0, 0, 20, 20)
    cover = np.full((20, 20, *channels), 255, np.uint8)
    placed = Placed(span, Alpha(cover, cover), (1.0, 1.0), "shape")
    fills = Fills(1.0, smooth=False, budget=int(1.5 * cover.nbytes))
    fills.begin(0.0)
    kept, dropped = (fills.get(name, PARTS, _Averages(channels)) for name in "ab")
    assert (fills.painted(kept, placed, span) == 1).all()
    assert (fills.painted(dropped, placed, span) == 1).all()
    assert kept.drawn is not None
    assert dropped.drawn is None


def test_a_window_wider_than_the_shape_is_cut_to_it() -> None:
    fills = Fills(1.0, smooth=False)
    fills.begin(0.0)
    fill = fills.get("face", PARTS, lambda: np.array([[10, 20], [30, 40]], np.uint8))
    span = Span(34, 36, 40, 40)
    part = fills.painted(fill, _placed(span, 255, "a"), Span(32, 32, 40, 40))
    assert part.shape == (4, 6)
    assert part[0].tolist() == [30, 30, 40, 40, 40, 40]
