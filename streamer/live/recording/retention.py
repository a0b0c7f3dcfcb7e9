"""Which recorded files have expired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A segment, finished or growing: its name, size in bytes, and last change in seconds of `time.time()`."""

    name: str
    size: int
    modified: float


def expired(
    files: Iterable[StoredFile],
    writing: str | None,
    now: float,
    keep_seconds: float | None = None,
    keep_bytes: int | None = None,
) -> list[str]:
    """Names of the files to delete, oldest first. `writing` counts towards the size but is never deleted.

    A file expires when it ended more than `keep_seconds` ago, or while all files together exceed `keep_bytes`. None
    means no limit.
    """

    def age(file: StoredFile) -> tuple[float, str]:
        # Written while the clock was far ahead: otherwise it would outlive everything recorded since.
        ahead = file.modified > now + _DAY
        return (float("-inf") if ahead else file.modified, file.name)

    ordered = sorted(files, key=age)
    total = sum(file.size for file in ordered)
    names = []
    for file in ordered:
        if file.name == writing:
            continue
        too_old = keep_seconds is not None and now - file.modified > keep_seconds
        too_much = keep_bytes is not None and total > keep_bytes
        if too_old or too_much:
            names.append(file.name)
            total -= file.size
    return names
