"""`veilcast file`: from options to a masked copy."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from rich.console import Console

from streamer.cli.console import say
from streamer.cli.file_options import file_settings
from streamer.cli.progress import progress_view
from streamer.file import report as reports
from streamer.file.job import anonymize_file

DEGRADED = 3
"""Exit code: the copy is complete, but the input was damaged or the detector failed somewhere."""


def run_file(options: argparse.Namespace, console: Console, interrupt: threading.Event) -> int:
    """Make the copy and say so; returns the exit code. Raises JobError, InterruptedJobError."""
    settings = file_settings(options)
    target = None if options.output is None else Path(options.output)
    source = Path(options.input)
    if options.report is not None:
        videos = [Path(name) for name in (source, target, options.masks, options.from_masks) if name is not None]
        reports.check_report_target(Path(options.report), videos, options.overwrite)
    with progress_view(console, options.progress or ("none" if options.quiet else None)) as view:
        report = anonymize_file(
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
    return DEGRADED if report.failed_samples or report.damaged else 0


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
        f"{report.frames / max(report.elapsed, 1e-9):.1f} fps"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
