from __future__ import annotations

from fractions import Fraction

import pytest

from streamer.live.frame_rate import DEFAULT_RATE, FrameRate, standard_rate

FILM = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("measured", "meant"),
    [(29.97, FILM), (30.0, 30), (25.04, 25), (12.4, 12), (0.3, 1), (5000, 240), (59.95, FILM * 2)],
)
def test_standard_rates(measured: float, meant: Fraction) -> None:
    assert standard_rate(measured) == meant


@pytest.mark.parametrize(
    ("said", "step", "measured", "expected"),
    [
        (FILM, 1001 / 30000, 0.0, FILM),
        (FILM, None, 24.0, FILM),  # nothing can be told yet
        (Fraction(15), 0.05, 0.0, Fraction(20)),
        (Fraction(45000), 1001 / 30000, 0.0, FILM),  # the clock of its time stamps, taken for a rate
        (None, 1001 / 30000, 0.0, FILM),
        (None, 0.04, 29.2, Fraction(25)),
        (None, None, 14.8, Fraction(15)),
        (None, None, 0.0, DEFAULT_RATE),
        (Fraction(0), None, 0.0, DEFAULT_RATE),
    ],
)
def test_which_rate_is_believed(said: Fraction | None, step: float | None, measured: float, expected: Fraction) -> None:
    rate = FrameRate()
    for number in range(6):
        rate.picture(None if step is None else 100 + number * step)
    assert rate.rate(said, measured) == expected


def test_jumps_and_missing_timestamps_are_ignored() -> None:
    rate = FrameRate()
    for stamp in (None, 5.0, 5.04, None, 900.0, 900.04, 3.0, 3.04, 3.04, 3.08):
        rate.picture(stamp)
    assert rate.rate(None) == 25
