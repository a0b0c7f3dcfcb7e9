"""Errors of a job, each shown to the user as one line."""

from __future__ import annotations

from pathlib import Path


def printable(text: str) -> str:
    """The text on one line: file names may contain line feeds, escape sequences and bytes that are not text."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode().replace("\\udc", "\\x") for char in text
    )


class JobError(Exception):
    """A job cannot start or continue. `path` is the file at fault, `cause` the reason without a full stop."""

    exit_code = 1

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{path}: {cause}")
        self.path, self.cause = path, cause

    @property
    def lines(self) -> tuple[str, ...]:
        """What to tell the user, line by line."""
        return (str(self),)


class InterruptedJobError(Exception):
    """The user stopped the job before it was done; `left` says in a few words what is there of it."""

    def __init__(self, left: str = "nothing was written") -> None:
        super().__init__(left)
        self.left = left


class InputError(JobError):
    """The input cannot be read as a video."""

    exit_code = 2


class OutputError(JobError):
    """The output cannot be written."""


class ConfigError(JobError):
    """The settings are wrong; `causes` has every problem that was found, each on one line."""

    exit_code = 2

    def __init__(self, path: Path, first: str, *others: str) -> None:
        super().__init__(path, f"{first} (and {len(others)} more)" if others else first)
        self.causes = (first, *others)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each problem."""
        return tuple(f"{self.path}: {cause}" for cause in self.causes)
