"""Basic and Digest authentication, with MD5 as RTSP clients use it (RFC 2617, RFC 7616)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from enum import Enum
from typing import Final

from streamer.live.rtsp.auth_parameters import auth_parameters
from streamer.live.rtsp.message import Address, Request

REALM: Final = "veilcast"
NONCE_LIFE: Final = 300.0
"""Seconds a nonce is valid; a client that has the password renews it without the user noticing."""


class LoginVerdict(Enum):
    """The result of checking a request's credentials; `STALE`: correct, but with an expired nonce."""

    GRANTED = "granted"
    MISSING = "missing"
    WRONG = "wrong"
    STALE = "stale"


class Authenticator:
    """Checks requests against one user name and password. Stateless: a nonce carries its own time and signature."""

    def __init__(self, user: str, password: str) -> None:
        # Hashes all have the same length, so comparing them does not reveal the length of the secret.
        self._basic = _sha256(f"{user}:{password}")
        self._named = _sha256(user)
        self._ha1 = _md5(f"{user}:{REALM}:{password}")
        self._key = secrets.token_bytes(32)

    def challenges(self, now: float, *, stale: bool = False) -> tuple[str, ...]:
        """Values of a 401's WWW-Authenticate headers, strongest first. `now` is in seconds of any monotonic clock."""
        digest = f'Digest realm="{REALM}", nonce="{self._nonce(now)}", algorithm=MD5'
        return (digest + (", stale=true" if stale else ""), f'Basic realm="{REALM}"')

    def check(self, request: Request, now: float) -> LoginVerdict:
        """Check the request's Authorization header; never raises."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "":
                return LoginVerdict.MISSING
            case "basic":
                return self._check_basic(rest)
            case "digest":
                return self._check_digest(request, rest, now)
        return LoginVerdict.WRONG

    def _check_basic(self, rest: str) -> LoginVerdict:
        try:
            given = base64.b64decode(rest.strip(), validate=True)
        except (binascii.Error, ValueError):
            return LoginVerdict.WRONG
        right = hmac.compare_digest(hashlib.sha256(given).digest(), self._basic)
        return LoginVerdict.GRANTED if right else LoginVerdict.WRONG

    def _check_digest(self, request: Request, rest: str, now: float) -> LoginVerdict:
        given = auth_parameters(rest)
        nonce, uri, qop = given.get("nonce", ""), given.get("uri", ""), given.get("qop")
        if given.get("algorithm", "MD5").upper() != "MD5" or qop not in (None, "auth"):
            return LoginVerdict.WRONG
        middle = nonce if qop is None else f"{nonce}:{given.get('nc', '')}:{given.get('cnonce', '')}:{qop}"
        right = _md5(f"{self._ha1}:{middle}:{_md5(f'{request.method}:{uri}')}")
        named = hmac.compare_digest(_sha256(given.get("username", "")), self._named)
        proven = hmac.compare_digest(given.get("response", "").lower().encode(), right.encode())
        # Clients differ in how they write the URI of a track, so only the stream is compared.
        meant = Address.parse(uri).stream == Address.parse(request.uri).stream
        age = self._age(nonce, now)
        if not (named and proven and meant) or age is None:
            return LoginVerdict.WRONG
        return LoginVerdict.GRANTED if 0 <= age <= NONCE_LIFE else LoginVerdict.STALE

    def _nonce(self, now: float) -> str:
        head = f"{int(now * 1000):x}.{secrets.token_hex(8)}"
        return f"{head}.{self._seal(head)}"

    def _age(self, nonce: str, now: float) -> float | None:
        """Seconds since the nonce was issued, or None if it was not issued by this server."""
        head, _, seal = nonce.rpartition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(head).encode()):
            return None
        return now - int(head.partition(".")[0], 16) / 1000

    def _seal(self, head: str) -> str:
        return hmac.new(self._key, head.encode(), hashlib.sha256).hexdigest()[:32]


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
