"""Warnings of one job: each kind is reported once and then counted, so a damaged file cannot flood the log."""

from __future__ import annotations

from collections.abc import Callable


class WarningLog:
    """Collects warnings by kind; `on_first` is called with the text the first time a kind occurs."""

    def __init__(self, on_first: Callable[[str], None] | None = None) -> None:
        self._on_first = on_first
        self._first: dict[str, str] = {}
        self._count: dict[str, int] = {}
        self.damage = False
        """Whether any warning reported damage."""

    def add(self, kind: str, text: str, *, damage: bool = False, times: int = 1) -> None:
        """Record a warning, `times` times; only the first text of a kind is kept.

        `damage`: part of the input is lost or made up.
        """
        self.damage = self.damage or damage
        self._count[kind] = self._count.get(kind, 0) + times
        if kind not in self._first:
            self._first[kind] = text
            if self._on_first is not None:
                self._on_first(text)

    def count(self, kind: str) -> int:
        """How often a kind occurred."""
        return self._count.get(kind, 0)

    @property
    def kinds(self) -> list[tuple[str, str, int]]:
        """Kind, text and number of each, in order of first occurrence."""
        return [(kind, text, self._count[kind]) for kind, text in self._first.items()]

    @property
    def lines(self) -> list[str]:
        """One line per kind, in order of first occurrence, with the number of repeats."""
        return [
            text if self._count[kind] == 1 else f"{text} (and {self._count[kind] - 1} more like it)"
            for kind, text in self._first.items()
        ]
