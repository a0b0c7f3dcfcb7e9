"""`veilcast file`: from options to masked copies."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from streamer.batch.run import DEGRADED, SHOWS, is_degraded
from streamer.cli.console import say
from streamer.cli.file_many import progress_form, run_many, video_job
from streamer.cli.file_options import file_settings, inputs_of
from streamer.cli.progress import progress_view
from streamer.errors import ConfigError
from streamer.file import report as reports
from streamer.file.job import Progress
from streamer.pictures.job import anonymize_picture_file
from streamer.pictures.kind import picture_kind
from streamer.settings.file import Settings


def run_file(options: argparse.Namespace, console: Console, interrupt: threading.Event) -> int:
    """Make the copies and say so; returns the exit code. Raises JobError, InterruptedJobError."""
    inputs = inputs_of(options)
    settings = file_settings(options)
    if options.every is not None and not options.verify:
        raise ConfigError(Path("--every"), "only has a meaning with --verify")
    if inputs.directory is not None:
        return run_many(options, inputs, settings, console, interrupt)
    [source], target = inputs.sources, inputs.target
    if options.report is not None:
        videos = [Path(name) for name in (source, target, options.masks, options.from_masks) if name is not None]
        reports.check_report_target(Path(options.report), videos, options.overwrite)
    if picture_kind(source) is not None:
        report = _mask_picture(source, target, settings, options, console, interrupt)
    else:
        report = _mask_video(
            source,
            target,
            settings,
            options,
            console,
            interrupt,
            lambda text: say(console, f"warning: {text}", "yellow"),
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
    return DEGRADED if is_degraded(report) else 0


def _mask_video(
    source: Path,
    target: Path | None,
    settings: Settings,
    options: argparse.Namespace,
    console: Console,
    interrupt: threading.Event,
    warn: Callable[[str], None],
) -> reports.Report:
    with progress_view(console, progress_form(options)) as view:
        return video_job(options)(
            source,
            target,
            settings,
            overwrite=options.overwrite,
            on_progress=view.show,
            on_warning=warn,
            interrupt=interrupt,
            masks=options.masks,
            from_masks=options.from_masks,
        )


def _mask_picture(
    source: Path,
    target: Path | None,
    settings: Settings,
    options: argparse.Namespace,
    console: Console,
    interrupt: threading.Event,
) -> reports.Report:
    for flag, value in (("--masks", options.masks), ("--from-masks", options.from_masks)):
        if value is not None:
            raise ConfigError(source, f"is a picture, and {flag} is for videos")
    report = anonymize_picture_file(
        source,
        target,
        settings,
        overwrite=options.overwrite,
        on_warning=lambda text: say(console, f"warning: {text}", "yellow"),
        interrupt=interrupt,
    )
    if options.progress == "json":
        with progress_view(console, "json") as view:
            view.show(Progress(1, 1, 0.0, None, report.faces, report.elapsed))
    return report


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
    covered = seconds.settled + seconds.held + seconds.blanket
    if not covered:  # a picture
        return f"{report.output.path}: {_count(report.faces, 'face')} masked in {report.elapsed:.1f} s"
    total = max(covered, 1e-9)
    covers = ", ".join(
        f"{100 * value / total:.1f} % {name}"
        for name, value in (("settled", seconds.settled), ("held", seconds.held), ("blanket", seconds.blanket))
        if value or name == "settled"
    )
    return (
        f"{report.output.path}: {report.frames} frames, {_count(report.faces, 'face')} followed, {covers}, "
        f"{report.frames / max(report.elapsed, 1e-9):.1f} fps{_doubts(report)}"
    )


def _doubts(report: reports.Report) -> str:
    if not report.doubtful:
        return ""
    worst = report.doubtful[0]
    return f"; {_count(len(report.doubtful), 'doubtful moment')} to look at, first {worst.start:.2f} s (--report)"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
