from __future__ import annotations

import base64
import hashlib
import re

import pytest

from streamer.live.rtsp.auth import NONCE_LIFE, Authenticator, LoginVerdict
from streamer.live.rtsp.message import Request

URI = "rtsp://h/door"


def request(authorization: str | None, method: str = "DESCRIBE", uri: str = URI) -> Request:
    return Request(method, uri, 1, {} if authorization is None else {"authorization": authorization})


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def digest(auth: Authenticator, change: dict[str, str] | None = None, now: float = 0.0) -> str:
    """A correct Digest response to the challenge (RFC 2617), except for the changed fields."""
    nonce = re.findall(r'nonce="(.*?)"', auth.challenges(now)[0])[0]
    given = {"username": "me", "realm": "veilcast", "nonce": nonce, "uri": URI, "password": "secret"} | (change or {})
    middle = nonce if "qop" not in given else f"{nonce}:{given['nc']}:{given['cnonce']}:{given['qop']}"
    ha1 = md5(f"{given['username']}:{given['realm']}:{given.pop('password')}")
    given.setdefault("response", md5(f"{ha1}:{middle}:{md5('DESCRIBE:' + given['uri'])}"))
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in given.items())


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "verdict"),
    [
        (None, LoginVerdict.MISSING),
        (basic("me:secret"), LoginVerdict.GRANTED),
        (basic("me:secret").replace("Basic", "bAsIc"), LoginVerdict.GRANTED),
        (basic("me:wrong"), LoginVerdict.WRONG),
        (basic("me:secret "), LoginVerdict.WRONG),
        (basic("me"), LoginVerdict.WRONG),
        ("Basic !!!", LoginVerdict.WRONG),
        ("Basic", LoginVerdict.WRONG),
        ("Basic \u00e9", LoginVerdict.WRONG),
        ("Bearer x", LoginVerdict.WRONG),
        ("Digest", LoginVerdict.WRONG),
        ('Digest username="me", nonce="\u00e9", uri="\u00e9", response="\u00e9"', LoginVerdict.WRONG),
    ],
)
def test_headers(authorization: str | None, verdict: LoginVerdict) -> None:
    assert Authenticator("me", "secret").check(request(authorization), 0.0) is verdict


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, LoginVerdict.GRANTED),
        ({"qop": "auth", "nc": "00000001", "cnonce": "abc"}, LoginVerdict.GRANTED),
        ({"algorithm": "MD5"}, LoginVerdict.GRANTED),
        ({"uri": URI + "/trackID=0"}, LoginVerdict.GRANTED),
        ({"uri": "/door"}, LoginVerdict.GRANTED),
        ({"uri": "rtsp://h/other"}, LoginVerdict.WRONG),
        ({"password": "wrong"}, LoginVerdict.WRONG),
        ({"username": "you"}, LoginVerdict.WRONG),
        ({"realm": "other"}, LoginVerdict.WRONG),
        ({"response": ""}, LoginVerdict.WRONG),
        ({"algorithm": "SHA-256"}, LoginVerdict.WRONG),
        ({"qop": "auth-int", "nc": "1", "cnonce": "a"}, LoginVerdict.WRONG),
    ],
)
def test_digest(change: dict[str, str], verdict: LoginVerdict) -> None:
    auth = Authenticator("me", "secret")
    assert auth.check(request(digest(auth, change)), 1.0) is verdict


def test_a_digest_is_for_its_method_and_its_server() -> None:
    auth = Authenticator("me", "secret")
    assert auth.check(request(digest(auth), method="TEARDOWN"), 1.0) is LoginVerdict.WRONG
    assert auth.check(request(digest(Authenticator("me", "secret"))), 1.0) is LoginVerdict.WRONG


def test_a_nonce_grows_old() -> None:
    auth = Authenticator("me", "secret")
    answer = digest(auth, now=100.0)
    assert auth.check(request(answer), 100.0 + NONCE_LIFE - 1) is LoginVerdict.GRANTED
    assert auth.check(request(answer), 100.0 + NONCE_LIFE + 1) is LoginVerdict.STALE
    wrong = digest(auth, {"password": "wrong"}, now=100.0)
    assert auth.check(request(wrong), 100.0 + NONCE_LIFE + 1) is LoginVerdict.WRONG
    assert "stale=true" in auth.challenges(0.0, stale=True)[0] and "stale" not in auth.challenges(0.0)[0]


def test_every_nonce_is_new() -> None:
    auth = Authenticator("me", "secret")
    assert auth.challenges(0.0) != auth.challenges(0.0)


def test_quotes_in_a_name() -> None:
    auth = Authenticator('m"e', "sec")
    nonce = re.findall(r'nonce="(.*?)"', auth.challenges(0)[0])[0]
    right = md5(f"{md5(chr(109) + chr(34) + 'e:veilcast:sec')}:{nonce}:{md5('DESCRIBE:' + URI)}")
    given = f'Digest username="m\\"e", nonce="{nonce}", uri="{URI}", response="{right.upper()}"'
    assert auth.check(request(given), 1.0) is LoginVerdict.GRANTED
