from __future__ import annotations

import pytest

from streamer.runtime.backoff import Backoff


def test_doubles_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 3.0, random=lambda: 0.0)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next() == 0.5


def test_jitter_takes_up_to_a_half_away() -> None:
    backoff = Backoff(0.5, 3.0, random=lambda: 1.0)
    assert [backoff.next() for _ in range(4)] == [0.25, 0.5, 1.0, 1.5]


def test_two_clients_do_not_retry_together() -> None:
    assert [Backoff().next() for _ in range(3)] != [Backoff().next() for _ in range(3)]


@pytest.mark.parametrize(("first", "longest"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0)])
def test_invalid_delays_are_refused(first: float, longest: float) -> None:
    with pytest.raises(ValueError, match="longest"):
        Backoff(first, longest)
