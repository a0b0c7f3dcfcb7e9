"""Suggestions for a mistyped or missing command."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "file": (),
    "live": (),
    "verify": (),
    "serve": (),
    "worker": (),
    "token": ("create", "list", "revoke"),
    "audit": ("verify", "show", "key"),
    "config": ("show", "check", "schema"),
    "demo": (),
    "doctor": (),
}
"""Commands and their subcommands."""

_STREAM = re.compile(r"(rtsps?|https?)://|/dev/video", re.IGNORECASE)
_FILE_NAME = re.compile(r"[^/]\.[A-Za-z0-9]{2,4}$")


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except ValueError:  # a zero byte
        return False


def correction(words: Sequence[str], is_file: Callable[[str], bool] = _is_file) -> str | None:
    """An error message with a suggestion for what was typed after `veilcast`; None if the command exists.

    Repeats what was typed, credentials included.
    """
    command, *others = words or ("",)
    if command.startswith("-") or not command:
        return None
    if command not in COMMANDS:
        return _said(command, _meant(command, words, is_file) or _nearest(command, COMMANDS, others), COMMANDS)
    choices = COMMANDS[command]
    if not choices or not others or others[0].startswith("-") or others[0] in choices:
        return None
    near = _nearest(others[0], choices, others[1:])
    return _said(f"{command} {others[0]}", f"{command} {near}" if near else None, choices)


def _said(command: str, meant: str | None, choices: Iterable[str]) -> str:
    said = f"there is no command {command!r}"
    return f"{said}; did you mean: veilcast {meant}?" if meant else f"{said}; there are: {', '.join(choices)}"


def _meant(command: str, words: Sequence[str], is_file: Callable[[str], bool]) -> str | None:
    if _STREAM.match(command):
        return f"live {shlex.join(words)}"
    if is_file(command) or _FILE_NAME.search(command):
        return f"file {shlex.join(words)}"
    return None


def _nearest(word: str, choices: Iterable[str], others: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(word.lower(), list(choices), 1)
    return shlex.join([near[0], *others]) if near else None
