"""Sessions: a cookie for a token, for as long as it is used and the token is valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.service.access import sessions as room
from streamer.service.access.caller import Role
from streamer.service.access.sessions import IDLE, LoginSessions, session_cookie, set_cookie
from streamer.service.access.tokens import Tokens
from streamer.service.store.database import Database


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    database = Database.in_file(tmp_path / "x.db")
    database.migrate()
    return Tokens(database)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_session_lasts_while_it_is_used(tokens: Tokens) -> None:
    clock = Clock()
    sessions = LoginSessions(tokens, clock)
    made, secret = tokens.create("x", [Role.VIEW])
    assert sessions.trade("vc_wrong") is None
    traded = sessions.trade(secret)
    assert traded is not None
    cookie, caller = traded
    assert caller.owner == made and secret not in cookie
    for _ in range(3):
        clock.now += IDLE
        assert sessions.caller(cookie) == caller
    assert sessions.caller(f"{cookie}x") is None
    clock.now += IDLE + 1
    assert sessions.caller(cookie) is None and len(sessions) == 0


def test_ending_it_or_its_token_ends_it(tokens: Tokens) -> None:
    sessions = LoginSessions(tokens, Clock())
    made, secret = tokens.create("x", [Role.VIEW])
    first, second = (traded[0] for _ in range(2) if (traded := sessions.trade(secret)))
    sessions.end(first)
    sessions.end(first)
    assert sessions.caller(first) is None and sessions.caller(second) is not None
    tokens.revoke(made)
    assert sessions.caller(second) is None and len(sessions) == 0 and sessions.trade(secret) is None


def test_one_token_cannot_end_the_sessions_of_others(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PER_TOKEN", 3)
    sessions = LoginSessions(tokens, Clock())
    (_, mine), (_, greedy) = tokens.create("x", [Role.VIEW]), tokens.create("y", [Role.VIEW])
    kept = sessions.trade(mine)
    many = [traded[0] for _ in range(8) if (traded := sessions.trade(greedy))]
    assert kept is not None and sessions.caller(kept[0]) is not None
    assert [cookie for cookie in many if sessions.caller(cookie)] == many[-3:]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    assert set_cookie("abc", False) == "veilcast_session=abc; Path=/; HttpOnly; SameSite=Strict"
    assert set_cookie("", True) == "veilcast_session=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"
    assert session_cookie("a=b; veilcast_session=abc; c=d") == "abc"
    assert session_cookie("veilcast_session=; xveilcast_session=a") is session_cookie(None) is None
