from __future__ import annotations

import pytest

from streamer.live.guard.login_brake import FORGIVEN, FREE, LONGEST, LoginBrake


def guess(brake: LoginBrake, until: float, begin: float = 0.0, party: str = "a") -> int:
    """Guess as fast as it lets one up to `until`; how many guesses were looked at."""
    now, count = begin, 0
    while now < until:
        wait = brake.wait(party, "", now)
        if wait:
            now += wait
            continue
        brake.failed(party, "", str(count).encode(), now)
        count += 1
        now += 0.001
    return count


def test_a_few_mistakes_cost_nothing() -> None:
    brake = LoginBrake()
    for number in range(FREE):
        brake.failed("a", "", bytes([number]), 0.0)
        assert brake.wait("a", "", 0.0) == 0
    brake.failed("a", "", b"again", 0.0)
    assert (
        brake.wait("a", "", 0.0) == 1.0
        and brake.wait("a", "", 0.4) == pytest.approx(0.6)
        and brake.wait("a", "", 1.0) == 0
    )


def test_every_further_one_costs_twice_as_much_up_to_a_bound() -> None:
    brake, now, waits = LoginBrake(), 0.0, []
    for number in range(20):
        brake.failed("a", "", bytes([number]), now)
        waits.append(brake.wait("a", "", now))
    assert waits == [0.0] * FREE + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] + [LONGEST] * 9


def test_what_a_guesser_gets_done() -> None:
    assert guess(LoginBrake(), 60) <= 12
    assert guess(LoginBrake(), 86_400) <= 3_000  # a day; it was one and a half thousand a second


def test_nobody_else_waits() -> None:
    brake = LoginBrake()
    guess(brake, 600)
    assert brake.wait("b", "", 600) == 0


def test_a_recorder_that_was_there_before_does_not_wait_for_a_guesser_at_its_address() -> None:
    brake = LoginBrake()
    brake.granted("a", "recorder 1.0")
    guess(brake, 600)
    assert brake.wait("a", "", 600) > 0 and brake.wait("a", "recorder 2.0", 600) > 0
    assert brake.wait("a", "recorder 1.0", 600) == 0
    for number in range(20):  # nor is it a way to guess on
        brake.failed("a", "recorder 1.0", b"as a recorder %d" % number, 600)
    assert brake.wait("a", "recorder 1.0", 600) > 30 and brake.wait("b", "recorder 1.0", 600) == 0


def test_it_is_forgiven() -> None:
    brake = LoginBrake()
    guess(brake, 600)
    later = 600 + LONGEST + 20 * FORGIVEN
    for number in range(FREE):
        brake.failed("a", "", b"later %d" % number, later)
    assert brake.wait("a", "", later) == 0


def test_the_same_again_is_no_guess() -> None:
    brake = LoginBrake()
    for second in range(1000):
        brake.failed("a", "", b"an old token", float(second))
        assert brake.wait("a", "", float(second)) == 0


def test_it_remembers_only_so_many() -> None:
    brake = LoginBrake()
    for number in range(10_000):
        brake.failed(f"party {number}", "", b"x", 0.0)
        brake.granted(f"party {number}", "player")
    assert len(brake._records) < 5_000 and len(brake._known) < 5_000
