from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.fanout import ClosedError, Fanout, Subscription

WAIT = 10.0


def fanout(asked: list[int] | None = None) -> Fanout[int]:
    """Publishes numbers; every tenth is a key item."""
    return Fanout(lambda item: item % 10 == 0, lambda: None if asked is None else asked.append(1))


def drained(subscription: Subscription[int]) -> list[int]:
    out = []
    while (item := subscription.get_nowait()) is not None:
        out.append(item)
    return out


def test_a_consumer_begins_at_a_key_item() -> None:
    asked: list[int] = []
    source = fanout(asked)
    with source.subscribe("a", 50) as a:
        assert asked == [1]
        for item in range(7, 13):
            source.publish(item)
        assert drained(a) == [10, 11, 12] and a.dropped == 0


def test_a_slow_consumer_loses_its_own_items_and_resumes_at_a_key_item() -> None:
    asked: list[int] = []
    source = fanout(asked)
    with source.subscribe("slow", 3) as slow, source.subscribe("fast", 100) as fast:
        del asked[:]
        for item in range(10, 25):
            source.publish(item)
        assert drained(slow) == [20, 21, 22] or drained(slow) == []
        assert drained(fast) == list(range(10, 25)) and fast.dropped == 0
        assert asked, "a key item is asked for"
        assert slow.dropped > 0
        for item in range(25, 33):
            source.publish(item)
        assert drained(slow)[:3] == [30, 31, 32]


@given(st.lists(st.one_of(st.just(None), st.integers(0, 3)), max_size=200), st.integers(1, 6))
def test_every_item_is_taken_or_counted_and_gaps_end_at_key_items(moves: list[int | None], depth: int) -> None:
    """In `moves`, None publishes the next number, a number takes that many items."""
    source, taken, published = fanout(), [], 0
    subscription = source.subscribe("x", depth)
    for move in moves:
        if move is None:
            source.publish(published)
            published += 1
            assert len(subscription) <= depth
        else:
            taken += [item for _ in range(move) if (item := subscription.get_nowait()) is not None]
    taken += drained(subscription)
    assert len(taken) + subscription.dropped == published
    for before, after in zip([-1, *taken], taken, strict=False):
        assert after == before + 1 or after % 10 == 0


def test_get_waits_and_close_ends_the_wait() -> None:
    source = fanout()
    subscription = source.subscribe("a", 5)
    assert subscription.get(0.01) is None
    timer = threading.Timer(0.05, source.publish, [10])
    timer.start()
    assert subscription.get(WAIT) == 10
    timer.join()
    closer = threading.Timer(0.05, source.close)
    closer.start()
    with pytest.raises(ClosedError):
        subscription.get(WAIT)
    closer.join()
    with pytest.raises(ClosedError):
        source.subscribe("late", 5).get_nowait()


def test_what_was_queued_can_be_taken_after_the_end() -> None:
    source = fanout()
    subscription = source.subscribe("a", 5)
    source.publish(10)
    source.close()
    assert subscription.get_nowait() == 10
    with pytest.raises(ClosedError):
        subscription.get_nowait()


def test_notify_is_called_for_what_can_be_taken_and_at_the_end() -> None:
    calls: list[int] = []
    source = fanout()
    subscription = source.subscribe("a", 5, lambda: calls.append(1))
    source.publish(9)
    assert not calls, "nothing to begin with yet"
    source.publish(10)
    assert len(calls) == 1
    subscription.close()
    assert len(calls) == 2 and len(source) == 0


def test_depth_must_be_positive() -> None:
    with pytest.raises(ValueError, match="depth"):
        fanout().subscribe("a", 0)
