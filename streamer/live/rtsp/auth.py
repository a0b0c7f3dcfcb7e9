"""Basic and Digest authentication, MD5 as RTSP clients speak it (RFC 2617, RFC 7616)."""

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
"""Seconds for which a nonce is taken; a client that has the password gets over its end unnoticed."""


class LoginVerdict(Enum):
    """What a request's credentials are worth; `STALE`: right, but for an old nonce."""

    GRANTED = "granted"
    MISSING = "missing"
    WRONG = "wrong"
    STALE = "stale"


class Authenticator:
    """Judges requests by one user's name and password. Keeps nothing: a nonce carries its own time and proof."""

    def __init__(self, user: str, password: str) -> None:
        # Hashes are of one length: comparing them does not even tell that of what is right.
        self._basic = _sha256(f"{user}:{password}")
        self._named = _sha256(user)
        self._ha1 = _md5(f"{user}:{REALM}:{password}")
        self._key = secrets.token_bytes(32)

    def challenges(self, now: float, *, stale: bool = False) -> tuple[str, ...]:
        """Values of the WWW-Authenticate headers of a 401, best first. `now` in seconds of any steady clock."""
        digest = f'Digest realm="{REALM}", nonce="{self._nonce(now)}", algorithm=MD5'
        return (digest + (", stale=true" if stale else ""), f'Basic realm="{REALM}"')

    def check(self, request: Request, now: float) -> LoginVerdict:
        """What the request's Authorization header is worth; never raises."""
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
        """Seconds since the nonce was given out, or None when it was not given out here."""
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
