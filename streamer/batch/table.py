"""The table at the end of a job with many inputs: a line for each of them, and one that counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from streamer.batch.plan import Skipped
from streamer.batch.run import Outcome, Result
from streamer.file.report import Report

_STYLES: Final = {
    Outcome.DONE: "green",
    Outcome.KEPT: "green",
    Outcome.DEGRADED: "yellow",
    Outcome.SHOWS: "yellow",
    Outcome.FAILED: "bold red",
}
_WIDTH: Final = 8


def table(results: Sequence[Result], skipped: Sequence[Skipped]) -> Iterator[tuple[str, str]]:
    """Lines and their styles."""
    for result in results:
        yield f"{result.outcome:{_WIDTH}}  {_about(result)}", _STYLES.get(result.outcome, "")
    for entry in skipped:
        yield f"{_name(entry):{_WIDTH}}  {entry.path}: {entry.reason}", "bold red" if entry.failed else ""
    count = Counter(str(result.outcome) for result in results) + Counter(map(_name, skipped))
    order = [*map(str, Outcome), "skipped"]
    yield ", ".join(f"{count[name]} {name}" for name in order if count[name]) or "nothing to do", ""


def _name(entry: Skipped) -> str:
    return str(Outcome.FAILED) if entry.failed else "skipped"


def _about(result: Result) -> str:
    if result.report is None:
        return result.error or str(result.copy.source)
    return f"{result.copy.source} -> {result.copy.target}: {_found(result)}"


def _found(result: Result) -> str:
    assert result.report is not None
    report: Report = result.report
    faces = f"{report.faces} face" if report.faces == 1 else f"{report.faces} faces"
    frames = "" if result.copy.kind is not None else f"{report.frames} frames, "
    return f"{frames}{faces}" + (f" ({report.warnings[0]})" if result.outcome is Outcome.DEGRADED else "")
