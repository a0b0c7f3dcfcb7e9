"""Removes credentials from text."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "***"

# Names that a secret may follow. The sure ones also count in prose (`password: x`), the likely ones only before an
# equals sign, as in a query string or in some cameras' paths (`/user=admin&password=x`).
_SURE = r"passwords?|passwd|passphrase|passcode|pwd|secret|token|api[_-]?key|jwt|credentials?"
_LIKELY = _SURE + r"|pass|psw|pw|key|auth|signature|sig|username|user|usr|login|session|sessionid|nonce|cnonce|response"
_QUOTE = r"""\\?["']"""
_VALUE = r"""(?:"[^"\r\n]*"|'[^'\r\n]*'|(?!["'])[^\s&"'<>]+)"""
_EQUALS = r"(?:=|%3D)"

_RULES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # The whole header value: what it reveals depends on the scheme.
        (rf"(authorization{_QUOTE}?\s*(?:[:=]|%3A)\s*)[^\r\n]+", rf"\1{HIDDEN}"),
        (r"\b(bearer\s+)(?!(?:tokens?|auth\w*)\b)[\w.~+/=-]+", rf"\1{HIDDEN}"),
        (r"\b(basic\s+)(?=[a-z]*[\d=+/])[\w+/=-]{6,}", rf"\1{HIDDEN}"),
        # Userinfo, up to the last @: people type passwords that contain / and @.
        (r"(?<=://)(?:(?!://)\S)+@", rf"{HIDDEN}@"),
        (r"(?<=%3A%2F%2F)(?:(?!%3A%2F%2F)\S)+(?:%40|@)", rf"{HIDDEN}@"),
        (r"""(?<![^\s"'(<=,\[])[^\s:/@"'(<=,\[]{1,99}:(?!//)[^\s@]{1,99}@(?=[\w\[])""", rf"{HIDDEN}@"),
        # Neither a port nor an IPv6 address: a password that contains a space, or one that was cut off.
        (r"(?<=://)[^\s:/@\[]+:(?!\d*(?:[^\w]|$))(?:[^\n@]*@|\S*)", f"{HIDDEN}@"),
        (rf"((?:{_LIKELY}){_QUOTE}?{_EQUALS}){_VALUE}", rf"\1{HIDDEN}"),
        (rf"((?:{_SURE}){_QUOTE}?\s*[:=]\s*)\\?{_VALUE}", rf"\1{HIDDEN}"),
    )
)


def redacted(text: str) -> str:
    """`text` with URL userinfo, secrets in query strings and authorization headers replaced by `***`.

    Errs on the side of removing too much. Redacting redacted text changes nothing.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
