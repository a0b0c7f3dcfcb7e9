"""Runs the copies of a plan one after the other and goes on after a bad one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from streamer.batch.plan import PlannedCopy
from streamer.errors import InterruptedJobError, JobError, OutputError
from streamer.file.report import Report

INTERRUPTED = 130
UNEXPECTED = 1
DEGRADED = 3
"""Exit code: the copy is complete, but the input was damaged or the detector failed somewhere."""

SHOWS = 4
"""Exit code: the check of the copy found places that may still show a face."""

_SEVERITY = (0, DEGRADED, SHOWS, 2, 1, INTERRUPTED)
"""Exit codes from harmless to bad: a copy that is masked too much is better than none."""


class Outcome(StrEnum):
    """How one copy ended."""

    DONE = "done"
    KEPT = "kept"
    DEGRADED = "damaged"
    SHOWS = "shows"
    FAILED = "failed"
    INTERRUPTED = "not done"


@dataclass(frozen=True, slots=True)
class Result:
    """How one copy ended: its report if it was made, otherwise what went wrong, or who made it, in one line."""

    copy: PlannedCopy
    outcome: Outcome
    exit_code: int
    report: Report | None = None
    error: str = ""


def run_all(
    copies: Iterable[PlannedCopy], mask: Callable[[PlannedCopy], Report], unexpected: Callable[[Exception], str]
) -> Iterator[Result]:
    """Mask one after the other with `mask`; each result comes out as soon as it is there.

    After an interruption the rest come out as not done. `unexpected` words an error that is no JobError.
    """
    stopped = False
    for copy in copies:
        if not stopped:
            try:
                copy.target.parent.mkdir(parents=True, exist_ok=True)
                report = mask(copy)
                yield _finished(copy, report)
                continue
            except (InterruptedJobError, KeyboardInterrupt):
                stopped = True
            except JobError as error:
                yield Result(copy, Outcome.FAILED, error.exit_code, error=str(error))
                continue
            except OSError as error:
                failed = OutputError(copy.target, f"cannot be written ({(error.strerror or str(error)).lower()})")
                yield Result(copy, Outcome.FAILED, failed.exit_code, error=str(failed))
                continue
            except Exception as error:  # noqa: BLE001 - a bug that one file brings out must not cost the others
                yield Result(copy, Outcome.FAILED, UNEXPECTED, error=unexpected(error))
                continue
        yield Result(copy, Outcome.INTERRUPTED, INTERRUPTED)


def _finished(copy: PlannedCopy, report: Report) -> Result:
    if report.verification is not None and report.verification.left:
        return Result(copy, Outcome.SHOWS, SHOWS, report)
    if is_degraded(report):
        return Result(copy, Outcome.DEGRADED, DEGRADED, report)
    return Result(copy, Outcome.DONE, 0, report)


def is_degraded(report: Report) -> bool:
    """Whether parts of the copy are masked whole because of damage or a failed detector."""
    return bool(report.failed_samples or report.damaged)


def worst(codes: Iterable[int]) -> int:
    """The exit code of a job from those of its copies."""
    return max(codes, key=_SEVERITY.index, default=0)
