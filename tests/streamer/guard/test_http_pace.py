from __future__ import annotations

import pytest

from streamer.guard.http_pace import MAX_HEAD, HttpPace, PaceLimits, Phase

LIMITS = PaceLimits(head=10, answer=20, pace=1000, idle=60, stall=15)
HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def pace() -> HttpPace:
    return HttpPace(LIMITS, 0.0)


def test_a_connection_without_a_request() -> None:
    assert pace().overdue(10, 0) is None and pace().overdue(10.1, 0) == "send a head"


def test_a_head_that_trickles_in() -> None:
    slow = pace()
    for second in range(10):
        assert slow.received(b"X", second)
        assert slow.overdue(second, 0) is None
    assert slow.overdue(10.1, 0) == "send a head"


@pytest.mark.parametrize("head", [HEAD, HEAD.replace(b"\r\n", b"\n"), HEAD.replace(b"\r\n\r\n", b"\n\r\n")])
def test_the_end_of_a_head_is_seen_wherever_it_is_cut(head: bytes) -> None:
    for cut in range(1, len(head)):
        one = pace()
        one.received(head[:cut], 1.0)
        assert one.phase is Phase.HEAD
        one.received(head[cut:], 2.0)
        assert (one.phase, one.since) == (Phase.RESPONSE, 2.0)


def test_a_head_without_end() -> None:
    endless = pace()
    assert all(endless.received(b"y" * 1024, 0.0) for _ in range(MAX_HEAD // 1024))
    assert not endless.received(b"y", 0.0)


def test_a_body_may_take_longer_if_it_comes() -> None:
    slow, fast = pace(), pace()
    for body in (slow, fast):
        body.received(HEAD, 0.0)
    for second in range(1, 100):
        slow.received(b"x", second)
        assert fast.received(b"x" * 1000, second) and fast.overdue(second, 0) is None
    assert slow.overdue(21, 0) == "send a body"


def test_between_requests() -> None:
    one = pace()
    for begin in (0.0, 50.0, 100.0):
        one.received(HEAD, begin)
        one.sent(500, begin + 1)
        assert (one.phase, one.since) == (Phase.IDLE, begin + 1)
        assert one.overdue(begin + 49, 0) is None
    assert one.overdue(162, 0) == "send a request"
    one.received(b"GET", 162)
    assert one.overdue(171, 0) is None and one.overdue(173, 0) == "send a head"


def test_a_response_that_nobody_reads() -> None:
    one = pace()
    one.received(HEAD, 0.0)
    one.sent(100_000, 1.0)
    assert one.overdue(1, 90_000) is None
    for second, left in ((10, 60_000), (20, 30_000), (30, 10)):
        assert one.overdue(second, left) is None
    assert one.overdue(45, 10) is None and one.overdue(46, 10) == "read"


def test_an_interim_answer_does_not_end_the_body() -> None:
    pace = HttpPace(LIMITS, 0.0)
    assert pace.received(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", 0.0)
    pace.sent(25, 0.1, interim=True)
    assert pace.phase is Phase.RESPONSE
    assert all(pace.received(b"x" * MAX_HEAD, 0.2) for _ in range(3))


def test_after_the_answer_the_rest_of_a_body_is_awaited_for_a_while() -> None:
    pace = HttpPace(LIMITS, 0.0)
    pace.received(b"POST / HTTP/1.1\r\n\r\n", 0.0)
    pace.sent(100, 1.0)
    pace.closing(1.0)
    assert all(pace.received(b"x" * MAX_HEAD, 1.0 + step) for step in range(3))
    pace.closing(1.0 + LIMITS.linger)  # a second time changes nothing
    assert pace.overdue(1.0 + LIMITS.linger, 0) is None
    assert pace.overdue(1.1 + LIMITS.linger, 0) == "hang up"
