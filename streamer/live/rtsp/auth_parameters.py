"""Parses the parameters of a Digest Authorization header (RFC 7235, 2.1) in one pass."""

from __future__ import annotations

from typing import Final

MOST: Final = 32  # parameters; Digest defines a dozen
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_BLANK: Final = " \t"


def auth_parameters(text: str) -> dict[str, str]:
    """Parse `name=value` and `name="value"`, separated by commas or blanks. Lower-cases names; the last duplicate wins.

    Stops at the first thing that does not match. Takes time proportional to the length of `text`. Never raises.
    """
    found: dict[str, str] = {}
    at = 0
    while len(found) < MOST:
        at = _skip(text, at, _BLANK + ",")
        end = at
        while end < len(text) and text[end] in _NAME:
            end += 1
        name = text[at:end].lower()
        at = _skip(text, end, _BLANK)
        if not name or text[at : at + 1] != "=":
            break
        at = _skip(text, at + 1, _BLANK)
        value, at = _quoted(text, at + 1) if text[at : at + 1] == '"' else _bare(text, at)
        if value is None:
            break
        found[name] = value
    return found


def _skip(text: str, at: int, what: str) -> int:
    while at < len(text) and text[at] in what:
        at += 1
    return at


def _bare(text: str, at: int) -> tuple[str | None, int]:
    end = at
    while end < len(text) and text[end] not in ' \t,"':
        end += 1
    return text[at:end] or None, end


def _quoted(text: str, at: int) -> tuple[str | None, int]:
    """The quoted string that starts at `at`, unescaped; None if the closing quote is missing."""
    characters: list[str] = []
    while at < len(text):
        if text[at] == '"':
            return "".join(characters), at + 1
        at += text[at] == "\\"
        characters.append(text[at : at + 1])
        at += 1
    return None, at
