"""`veilcast file`: from options to a masked copy."""

from __future__ import annotations

import argparse
import threading
from functools import partial
from pathlib import Path

from rich.console import Console

from streamer.cli.console import say
from streamer.cli.file_options import file_settings
from streamer.cli.progress import progress_view
from streamer.errors import ConfigError
from streamer.file import report as reports
from streamer.file.job import anonymize_file

DEGRADED = 3
"""Exit code: the copy is complete, but the input was damaged or the detector failed somewhere."""
SHOWS = 4
"""Exit code: the copy is complete, but a check found faces in it that show."""


def run_file(options: argparse.Namespace, console: Console, interrupt: threading.Event) -> int:
    """Make the copy and say so; returns the exit code. Raises JobError, InterruptedJobError."""
    settings = file_settings(options)
    target = None if options.output is None else Path(options.output)
    source = Path(options.input)
    if options.report is not None:
        videos = [Path(name) for name in (source, target, options.masks, options.from_masks) if name is not None]
        reports.check_report_target(Path(options.report), videos, options.overwrite)
    if options.every is not None and not options.verify:
        raise ConfigError(Path("--every"), "only has a meaning with --verify")
    make = anonymize_file
    if options.verify:
        from streamer.verify.verified_copy import EVERY, anonymize_and_verify

        make = partial(anonymize_and_verify, every=options.every or EVERY)
    with progress_view(console, options.progress or ("none" if options.quiet else None)) as view:
        report = make(
            source,
            target,
            settings,
            overwrite=options.overwrite,
            on_progress=view.show,
            on_warning=lambda text: say(console, f"warning: {text}", "yellow"),
            interrupt=interrupt,
            masks=options.masks,
            from_masks=options.from_masks,
        )
    if options.report is not None:
        reports.write(report, Path(options.report), options.overwrite)
    if not options.quiet and options.progress != "json":  # a path could look like JSON
        say(console, summary(report), "green")
        if report.verification is not None:
            say(console, verified(report.verification))
    if report.verification is not None and report.verification.left:
        say(console, f"warning: {still_shows(report)}", "yellow")
        return SHOWS
    return DEGRADED if report.failed_samples or report.damaged else 0


def verified(check: reports.Verification) -> str:
    """What the check found and masked, in one line."""
    places = sum(r.faces for r in check.rounds)
    return (
        f"verified {_count(check.checked, 'frame')}: masked {_count(places, 'place')} more in "
        f"{_count(len(check.rounds) - 1, 'round')}, {_count(len(check.left), 'place')} left, {check.seconds:.0f} s"
    )


def still_shows(report: reports.Report) -> str:
    """Where faces still show after the last round, in one line."""
    assert report.verification is not None
    left = report.verification.left
    times = ", ".join(f"{moment.start:.2f} s" for moment in left[:5])
    more = f" and {len(left) - 5} more" if len(left) > 5 else ""
    return f"{_count(len(left), 'place')} still may show a face, at {times}{more}; --report lists all"


def summary(report: reports.Report) -> str:
    """What was done, in one line."""
    seconds = report.seconds
    total = max(seconds.settled + seconds.held + seconds.blanket, 1e-9)
    covered = ", ".join(
        f"{100 * value / total:.1f} % {name}"
        for name, value in (("settled", seconds.settled), ("held", seconds.held), ("blanket", seconds.blanket))
        if value or name == "settled"
    )
    return (
        f"{report.output.path}: {report.frames} frames, {_count(report.faces, 'face')} followed, {covered}, "
        f"{report.frames / max(report.elapsed, 1e-9):.1f} fps{_doubts(report)}"
    )


def _doubts(report: reports.Report) -> str:
    if not report.doubtful:
        return ""
    worst = report.doubtful[0]
    return f"; {_count(len(report.doubtful), 'doubtful moment')} to look at, first {worst.start:.2f} s (--report)"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
