"""Runs the copies of a plan in several processes: each loads its networks once, and one that dies costs one copy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from streamer.batch.plan import PlannedCopy
from streamer.batch.run import INTERRUPTED, UNEXPECTED, Outcome, Result, run_all
from streamer.file.report import Report
from streamer.runtime.crew import Done, Undone, run_in_crew

Warn = Callable[[PlannedCopy, str], None]
MakeMask = Callable[[threading.Event, Warn], Callable[[PlannedCopy], Report]]
"""Makes what masks one copy, in the process that does it: from the event that stops it, and where warnings go."""


@dataclass(frozen=True, slots=True)
class _Warning:
    copy: PlannedCopy
    text: str


def run_in_processes(
    copies: Sequence[PlannedCopy],
    jobs: int,
    make_mask: MakeMask,
    unexpected: Callable[[Exception], str],
    *,
    warn: Warn,
    interrupt: threading.Event,
) -> Iterator[Result]:
    """Like `run_all`, `jobs` copies at a time; results come out as they are ready.

    `make_mask` and `unexpected` are pickled. Once `interrupt` is set, or after KeyboardInterrupt, every process stops,
    and what it has not completed comes out as not done. Leaving early stops them, too.
    """
    for ended in run_in_crew(
        copies,
        jobs,
        partial(_make_work, make_mask, unexpected),
        hear=lambda warning: warn(warning.copy, warning.text),
        interrupt=interrupt,
        name="veilcast-worker",
    ):
        yield ended.answer if isinstance(ended, Done) else _undone(ended)


def _make_work(
    make_mask: MakeMask,
    unexpected: Callable[[Exception], str],
    interrupt: threading.Event,
    say: Callable[[_Warning], None],
) -> Callable[[PlannedCopy], Result]:
    mask = make_mask(interrupt, lambda copy, text: say(_Warning(copy, text)))

    def work(copy: PlannedCopy) -> Result:
        [result] = run_all([copy], mask, unexpected)
        return result

    return work


def _undone(ended: Undone[PlannedCopy]) -> Result:
    copy = ended.order
    if ended.exit_code is None:
        return Result(copy, Outcome.INTERRUPTED, INTERRUPTED)
    said = (
        f"{copy.source}: the process that masked it was ended by the system (exit code {ended.exit_code}): "
        "too little memory?"
    )
    return Result(copy, Outcome.FAILED, UNEXPECTED, error=said)
