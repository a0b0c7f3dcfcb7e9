"""Who may in, on every kind of address, and which web pages stay outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from streamer.http.host_names import HostNames
from streamer.service.access.caller import Caller, Role
from streamer.service.access.decision import AccessRules, AskedRequest, Refusal
from streamer.service.access.sessions import LoginSessions
from streamer.service.access.tokens import TokenLimits, Tokens
from streamer.service.store.database import Database
from streamer.service.store.tables import AuditRow

HERE = "127.0.0.1:8080"


class Door:
    """Rules with a clock that the test turns."""

    def __init__(self, path: Path, loopback: bool = True, insecure: bool = False) -> None:
        self.now = 1000.0
        self.database = Database.in_file(path / "x.db")
        self.database.migrate()
        self.tokens = Tokens(self.database, lambda: self.now)
        sessions = LoginSessions(self.tokens, lambda: self.now)
        names = HostNames(["masks.example"], "127.0.0.1")
        self.rules = AccessRules(
            self.tokens, sessions, names, loopback=loopback, insecure=insecure, clock=lambda: self.now
        )

    def ask(self, path: str = "/v1/jobs", method: str = "GET", **headers: object) -> Caller | Refusal | None:
        given: dict[str, object] = {"address": "127.0.0.1", "host": HERE, **headers}
        return self.rules.decide(AskedRequest(method, path, **given))  # type: ignore[arg-type]

    def status(self, path: str = "/v1/jobs", method: str = "GET", **headers: object) -> int:
        found = self.ask(path, method, **headers)
        return found.status if isinstance(found, Refusal) else 200

    def logins(self) -> list[tuple[str, str]]:
        with self.database.reading() as session:
            entries = [json.loads(text) for text in session.scalars(select(AuditRow.entry).order_by(AuditRow.number))]
        return [(entry["actor"], entry["outcome"]) for entry in entries if entry["action"] == "login"]


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def test_loopback_is_open_until_there_is_a_token(door: Door) -> None:
    found = door.ask()
    assert isinstance(found, Caller) and (found.owner, found.address) == ("local", "127.0.0.1")
    assert door.rules.open() and found.may(Role.ADMIN)
    made, secret = door.tokens.create("x", [Role.VIEW])
    assert door.status() == 401 and not door.rules.open()
    found = door.ask(authorization=f"Bearer {secret}", address="10.0.0.7")
    assert isinstance(found, Caller) and (found.owner, found.address) == (made, "10.0.0.7")
    assert not found.may(Role.SUBMIT)


def test_revoking_the_last_token_lets_nobody_in(door: Door) -> None:
    made, secret = door.tokens.create("x", [Role.ADMIN])
    door.tokens.revoke(made)
    assert door.status() == door.status(authorization=f"Bearer {secret}") == 401 and not door.rules.open()


def test_elsewhere_a_token_is_needed_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    door = Door(tmp_path / "a", loopback=False)
    assert door.status() == 401 and not door.rules.open()
    insecure = Door(tmp_path / "b", loopback=False, insecure=True)
    insecure.tokens.create("x", [Role.VIEW])
    found = insecure.ask(forwarded=True)
    assert isinstance(found, Caller) and found.owner == "local"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/page/page.js"])
def test_what_everybody_may_have(path: str, door: Door) -> None:
    door.tokens.create("x", [Role.VIEW])
    assert door.ask(path) is None
    assert door.status("/v1/session") == 401 and door.ask("/v1/session", "POST") is None
    assert door.status("/v1/session", "DELETE") == 401
    for other in ("/metrics", "/openapi.json", "/docs", "/v1/", "/page", "/healthz/x", "/pagex/"):
        assert door.status(other) == 401
    assert door.status("/page/x", "POST") == 401


@pytest.mark.parametrize(
    "given", ["Bearer vc_wrong", "Bearer", "Bearer ", "Basic dmM6dmM=", "", "vc_x", "Bearer \udcff"]
)
def test_a_wrong_token_is_refused_even_where_it_is_open(given: str, door: Door) -> None:
    found = door.ask(authorization=given)
    assert isinstance(found, Refusal) and found.status == 401
    assert dict(found.headers)["WWW-Authenticate"].startswith("Bearer ")


def test_a_foreign_name_of_this_machine_opens_nothing(door: Door) -> None:
    """DNS rebinding."""
    for path in ("/v1/jobs", "/", "/v1/session"):
        assert door.status(path, host="evil.example:8080") == 421
    assert door.status(host="masks.example") == door.status(host="localhost:1") == door.status(host=None) == 200
    assert door.status("/healthz", host="evil.example") == 200
    _, secret = door.tokens.create("x", [Role.VIEW])
    assert door.status(host="new.example", authorization=f"Bearer {secret}") == 200
    assert door.status("/", host="new.example") == 200, "nothing is open now"


FOREIGN: list[dict[str, str]] = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": "http://[::bad"},
    {"fetch_site": "cross-site", "fetch_mode": "no-cors"},
    {"fetch_site": "same-site", "fetch_mode": "cors", "origin": f"http://{HERE}"},
    {"fetch_site": "cross-site", "fetch_mode": "navigate"},  # a form that is sent
]
OWN: list[dict[str, str]] = [
    {},
    {"origin": f"http://{HERE}"},
    {"fetch_site": "same-origin", "origin": "https://behind.a.proxy"},
    {"fetch_site": "none", "fetch_mode": "navigate"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_of_others_use_neither_what_is_open_nor_a_session(headers: dict[str, str], door: Door) -> None:
    assert door.status(method="POST", **headers) == 403
    assert door.status("/v1/session", "POST", **headers) == 403
    _, secret = door.tokens.create("x", [Role.SUBMIT])
    cookie = door.rules.login(secret, "127.0.0.1", "")
    assert isinstance(cookie, str)
    for method in ("POST", "DELETE", "PATCH"):
        assert door.status(method=method, cookie=f"veilcast_session={cookie}", **headers) == 403
    assert door.status(method="POST", authorization=f"Bearer {secret}", **headers) == 200, "who has a token is no page"


@pytest.mark.parametrize("headers", OWN)
def test_its_own_page_and_programs_may(headers: dict[str, str], door: Door) -> None:
    assert door.status(method="POST", **headers) == 200
    assert door.status("/v1/session", "POST", **headers) == 200
    assert door.status("/docs", fetch_site="cross-site", fetch_mode="navigate") == 200, "a link may be followed"


def test_a_local_proxy_does_not_make_the_internet_local(door: Door) -> None:
    assert door.status(forwarded=True) == 403
    _, secret = door.tokens.create("x", [Role.SUBMIT])
    assert door.status(forwarded=True, authorization=f"Bearer {secret}") == 200


def test_a_session_stands_for_its_token_until_it_is_ended(door: Door) -> None:
    made, secret = door.tokens.create("x", [Role.SUBMIT])
    cookie = door.rules.login(secret, "10.0.0.1", "Firefox")
    found = door.ask(method="POST", cookie=f"a=b; veilcast_session={cookie}")
    assert isinstance(found, Caller) and found.owner == made
    assert door.status(cookie=f"veilcast_session={cookie}x") == 401
    door.rules.logout(f"veilcast_session={cookie}")
    assert door.status(cookie=f"veilcast_session={cookie}") == 401
    assert door.logins() == [(made, "ok")]


def test_guessing_is_slowed_down_for_the_guesser_alone(door: Door) -> None:
    _, secret = door.tokens.create("x", [Role.SUBMIT])
    right = f"Bearer {secret}"
    assert door.status(authorization=right, agent="recorder") == 200
    tried = [door.ask(authorization=f"Bearer vc_{n}", agent="bot") for n in range(7)]
    assert [found.status for found in tried if isinstance(found, Refusal)] == [401] * 6 + [429]
    assert isinstance(tried[-1], Refusal) and dict(tried[-1].headers) == {"Retry-After": "1"}
    assert door.status(authorization=right, agent="bot") == 429, "not even the right one, or guessing could go on"
    refused = door.rules.login(secret, "127.0.0.1", "bot")
    assert isinstance(refused, Refusal) and refused.status == 429
    assert door.status(authorization=right, agent="recorder") == 200
    assert door.status(authorization=right, agent="bot", address="10.0.0.9") == 200
    assert door.logins() == [("system", "too many wrong tokens")]
    door.now += 1.1
    assert door.status(authorization=right, agent="bot") == 200


def test_a_token_has_its_requests_a_minute_by_header_cookie_and_login_alike(door: Door) -> None:
    _, secret = door.tokens.create("x", [Role.SUBMIT], TokenLimits(requests_per_minute=3))
    cookie = door.rules.login(secret, None, None)
    assert door.status(authorization=f"Bearer {secret}") == 200
    assert door.status(cookie=f"veilcast_session={cookie}") == 200
    found = door.ask(authorization=f"Bearer {secret}")
    assert isinstance(found, Refusal) and (found.status, dict(found.headers)) == (429, {"Retry-After": "20"})
    refused = door.rules.login(secret, None, None)
    assert isinstance(refused, Refusal) and (refused.status, dict(refused.headers)) == (429, {"Retry-After": "20"})
    assert len(door.logins()) == 1, "what is refused writes nothing"
    door.now += 20
    assert door.status(authorization=f"Bearer {secret}") == 200
