from __future__ import annotations

import pytest

from streamer.guard.login_throttle import FORGET_AFTER, FREE_GUESSES, LONGEST_WAIT, LoginThrottle


def guess(throttle: LoginThrottle, until: float, begin: float = 0.0, client: str = "a") -> int:
    """Guess as fast as possible up to `until`; returns how many guesses were checked."""
    now, count = begin, 0
    while now < until:
        wait = throttle.wait(client, "", now)
        if wait:
            now += wait
            continue
        throttle.failed(client, "", str(count).encode(), now)
        count += 1
        now += 0.001
    return count


def test_a_few_mistakes_cost_nothing() -> None:
    throttle = LoginThrottle()
    for number in range(FREE_GUESSES):
        throttle.failed("a", "", bytes([number]), 0.0)
        assert throttle.wait("a", "", 0.0) == 0
    throttle.failed("a", "", b"again", 0.0)
    assert (
        throttle.wait("a", "", 0.0) == 1.0
        and throttle.wait("a", "", 0.4) == pytest.approx(0.6)
        and throttle.wait("a", "", 1.0) == 0
    )


def test_every_further_mistake_doubles_the_lockout_up_to_a_bound() -> None:
    throttle, now, waits = LoginThrottle(), 0.0, []
    for number in range(20):
        throttle.failed("a", "", bytes([number]), now)
        waits.append(throttle.wait("a", "", now))
    assert waits == [0.0] * FREE_GUESSES + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] + [LONGEST_WAIT] * 9


def test_how_many_guesses_an_attacker_gets() -> None:
    assert guess(LoginThrottle(), 60) <= 12
    assert guess(LoginThrottle(), 86_400) <= 3_000  # a day; it was one and a half thousand a second


def test_nobody_else_waits() -> None:
    throttle = LoginThrottle()
    guess(throttle, 600)
    assert throttle.wait("b", "", 600) == 0


def test_a_recorder_that_was_there_before_does_not_wait_for_a_guesser_at_its_address() -> None:
    throttle = LoginThrottle()
    throttle.granted("a", "recorder 1.0")
    guess(throttle, 600)
    assert throttle.wait("a", "", 600) > 0 and throttle.wait("a", "recorder 2.0", 600) > 0
    assert throttle.wait("a", "recorder 1.0", 600) == 0
    for number in range(20):  # nor is it a way to guess on
        throttle.failed("a", "recorder 1.0", b"as a recorder %d" % number, 600)
    assert throttle.wait("a", "recorder 1.0", 600) > 30 and throttle.wait("b", "recorder 1.0", 600) == 0


def test_mistakes_are_forgotten() -> None:
    throttle = LoginThrottle()
    guess(throttle, 600)
    later = 600 + LONGEST_WAIT + 20 * FORGET_AFTER
    for number in range(FREE_GUESSES):
        throttle.failed("a", "", b"later %d" % number, later)
    assert throttle.wait("a", "", later) == 0


def test_repeating_the_same_credentials_is_not_guessing() -> None:
    throttle = LoginThrottle()
    for second in range(1000):
        throttle.failed("a", "", b"an old token", float(second))
        assert throttle.wait("a", "", float(second)) == 0


def test_memory_is_bounded() -> None:
    throttle = LoginThrottle()
    for number in range(10_000):
        throttle.failed(f"client {number}", "", b"x", 0.0)
        throttle.granted(f"client {number}", "player")
    assert len(throttle._records) < 5_000 and len(throttle._known) < 5_000
