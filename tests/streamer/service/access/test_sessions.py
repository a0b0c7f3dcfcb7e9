"""Sessions: a cookie for a token, for as long as it is used and the token is valid."""

from __future__ import annotations

import pytest

from streamer.service.access import sessions as room
from streamer.service.access.caller import Role
from streamer.service.access.sessions import IDLE, LoginSessions, session_cookie, set_cookie
from streamer.service.access.tokens import Tokens
from streamer.service.store.database import Database


@pytest.fixture
def tokens(database: Database) -> Tokens:
    return Tokens(database)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


def test_a_session_lasts_while_it_is_used(tokens: Tokens) -> None:
    clock = Clock()
    sessions = LoginSessions(tokens, clock)
    made, secret = tokens.create("x", [Role.VIEW])
    caller = tokens.holder(made)
    assert caller is not None
    cookie = sessions.begin(caller)
    assert secret not in cookie
    for _ in range(3):
        clock.now += IDLE - 1
        assert sessions.caller(cookie) == caller
    assert sessions.caller(f"{cookie}x") is None
    clock.now += IDLE + 1
    assert sessions.caller(cookie) is None
    sessions.begin(caller)
    assert len(sessions) == 1, "what has ended goes as the next one begins"


def test_a_session_holds_at_every_gateway_until_it_is_ended_at_one(database: Database, tokens: Tokens) -> None:
    here, there = LoginSessions(tokens), LoginSessions(Tokens(database))
    caller = tokens.holder(tokens.create("x", [Role.VIEW])[0])
    assert caller is not None
    cookie = here.begin(caller)
    assert there.caller(cookie) == caller
    there.end(cookie)
    assert here.caller(cookie) is None


def test_ending_it_or_its_token_ends_it(tokens: Tokens) -> None:
    sessions = LoginSessions(tokens, Clock())
    made, _ = tokens.create("x", [Role.VIEW])
    caller = tokens.holder(made)
    assert caller is not None
    first, second = sessions.begin(caller), sessions.begin(caller)
    sessions.end(first)
    sessions.end(first)
    assert sessions.caller(first) is None and sessions.caller(second) is not None
    tokens.revoke(made)
    assert sessions.caller(second) is None and len(sessions) == 0


def test_one_token_cannot_end_the_sessions_of_others(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PER_TOKEN", 3)
    sessions = LoginSessions(tokens, Clock())
    mine, greedy = (tokens.holder(tokens.create(name, [Role.VIEW])[0]) for name in "xy")
    assert mine is not None and greedy is not None
    kept = sessions.begin(mine)
    many = [sessions.begin(greedy) for _ in range(8)]
    assert sessions.caller(kept) is not None
    assert [cookie for cookie in many if sessions.caller(cookie)] == many[-3:]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    assert set_cookie("abc", False) == "veilcast_session=abc; Path=/; HttpOnly; SameSite=Strict"
    assert set_cookie("", True) == "veilcast_session=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"
    assert session_cookie("a=b; veilcast_session=abc; c=d") == "abc"
    assert session_cookie("veilcast_session=; xveilcast_session=a") is session_cookie(None) is None
