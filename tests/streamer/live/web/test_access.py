from __future__ import annotations

import pytest

from streamer.http.host_names import HostNames
from streamer.live.web.access import AccessRequest, Admitted, Refused, WebAccess

TOKEN = "a-long-secret"
NAMES = HostNames((), "127.0.0.1")


def asked(
    token: str | None = TOKEN,
    path: str = "/api/streams",
    cookie: str | None = None,
    address: str = "10.0.0.9",
    agent: str | None = None,
) -> AccessRequest:
    return AccessRequest(path, "veilcast.example", None if token is None else f"Bearer {token}", cookie, agent, address)


def status(verdict: Admitted | Refused) -> int:
    return verdict.status if isinstance(verdict, Refused) else 200


def test_guessing_gets_slower_and_slower() -> None:
    access = WebAccess(TOKEN, NAMES)
    answers = [status(access.check(asked(f"guess {number}"), 0.0)) for number in range(20)]
    assert answers == [401] * 6 + [429] * 14
    waiting = access.check(asked(), 0.2)
    assert isinstance(waiting, Refused) and waiting.headers == (("Retry-After", "1"),)
    assert status(access.check(asked(None), 0.2)) == 401
    assert status(access.check(asked(None, "/"), 0.2)) == 200
    assert status(access.check(asked(address="10.0.0.10"), 0.2)) == 200  # others do not wait
    assert status(access.check(asked(), 1.1)) == 200


def test_a_browser_that_is_known_does_not_wait_for_guessers_at_its_address() -> None:
    access = WebAccess(TOKEN, NAMES)
    first = access.check(asked(), 0.0)
    assert isinstance(first, Admitted) and first.cookie is not None
    assert first.cookie.endswith("; Path=/; HttpOnly; SameSite=Strict") and TOKEN not in first.cookie
    cookie = first.cookie.partition(";")[0]
    again = access.check(asked(cookie=f"a=b; {cookie}"), 0.0)
    assert again == Admitted(None)
    for number in range(20):
        access.check(asked(f"guess {number}"), 0.0)
    assert status(access.check(asked(), 0.0)) == 429
    assert status(access.check(asked(cookie=cookie), 0.0)) == 200
    # The cookie opens nothing, and whoever guesses with one waits as well.
    assert status(access.check(asked(None, cookie=cookie), 0.0)) == 401
    answers = [status(access.check(asked(f"guess {number}", cookie=cookie), 0.0)) for number in range(20)]
    assert answers == [401] * 6 + [429] * 14


def test_a_client_that_is_known_does_not_wait_either() -> None:
    access = WebAccess(TOKEN, NAMES)
    access.check(asked(agent="OBS"), 0.0)
    for number in range(20):
        access.check(asked(f"guess {number}", agent="guesser"), 0.0)
    assert status(access.check(asked(agent="OBS"), 0.0)) == 200
    assert status(access.check(asked(agent="other"), 0.0)) == 429


@pytest.mark.parametrize("cookie", ["", "veilcast-known=", "veilcast-known=a.b", "veilcast-known=" + "x" * 200, ";;=;"])
def test_invalid_cookies_are_ignored(cookie: str) -> None:
    access = WebAccess(TOKEN, NAMES)
    for number in range(20):
        access.check(asked(f"guess {number}"), 0.0)
    assert status(access.check(asked(cookie=cookie), 0.0)) == 429


def test_a_cookie_of_another_server_is_ignored() -> None:
    verdict = WebAccess(TOKEN, NAMES).check(asked(), 0.0)
    assert isinstance(verdict, Admitted) and verdict.cookie is not None
    verdict = WebAccess(TOKEN, NAMES).check(asked(cookie=verdict.cookie.partition(";")[0]), 0.0)
    assert isinstance(verdict, Admitted) and verdict.cookie is not None


@pytest.mark.parametrize("token", ["wr\u00f6ng", "\udcff", "", " ", TOKEN + "x", TOKEN[:-1], TOKEN.upper()])
def test_wrong_tokens(token: str) -> None:
    assert status(WebAccess(TOKEN, NAMES).check(asked(token), 0.0)) == 401


def test_without_a_token_the_host_name_decides() -> None:
    access = WebAccess(None, NAMES)
    for path in ("/", "/door", "/page/page.js", "/api/streams", "/whep/door"):
        refused = access.check(AccessRequest(path, "evil.example", None, None, None, ""), 0.0)
        assert isinstance(refused, Refused) and refused.status == 421 and "live.web.hosts" in refused.text
        assert access.check(AccessRequest(path, "10.0.0.1:8080", None, None, None, ""), 0.0) == Admitted()
    for path in ("/healthz", "/readyz", "/metrics"):
        assert access.check(AccessRequest(path, "veilcast.default.svc:8080", None, None, None, ""), 0.0) == Admitted()
