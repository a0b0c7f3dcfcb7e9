"""`veilcast file`: from options to masked copies."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rich.console import Console

from core.still import StillAnonymizer
from streamer.batch.done import DoneBefore, made_with
from streamer.batch.plan import PlannedCopy, make_plan
from streamer.batch.processes import run_in_processes
from streamer.batch.run import DEGRADED, INTERRUPTED, SHOWS, Outcome, Result, is_degraded, run_all, worst
from streamer.batch.table import table
from streamer.cli.console import say, unexpected
from streamer.cli.file_options import Inputs, file_settings, inputs_of
from streamer.cli.progress import LINE_EVERY, progress_view
from streamer.errors import ConfigError, InterruptedJobError
from streamer.file import report as reports
from streamer.file.job import Progress, anonymize_file
from streamer.file.masked_file import FORMATS
from streamer.media.picture_limit import PictureLimit
from streamer.pictures.animation import is_animation_file
from streamer.pictures.job import anonymize_picture_file
from streamer.pictures.kind import picture_kind
from streamer.settings.file import Settings
from streamer.units.job import anonymize_recording

_ABOUT_ONE_GO = ("masks", "from_masks", "start", "end")


def run_file(options: argparse.Namespace, console: Console, interrupt: threading.Event) -> int:
    """Make the copies and say so; returns the exit code. Raises JobError, InterruptedJobError."""
    inputs = inputs_of(options)
    settings = file_settings(options)
    if options.every is not None and not options.verify:
        raise ConfigError(Path("--every"), "only has a meaning with --verify")
    if inputs.directory is not None:
        return _run_many(options, inputs, settings, console, interrupt)
    [source], target = inputs.sources, inputs.target
    if options.report is not None:
        videos = [Path(name) for name in (source, target, options.masks, options.from_masks) if name is not None]
        reports.check_report_target(Path(options.report), videos, options.overwrite)
    if picture_kind(source) is not None and not _becomes_video(source, target):
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
    with progress_view(console, _form(options)) as view:
        return _video_job(options)(
            source,
            target,
            settings,
            overwrite=options.overwrite,
            on_progress=view.show,
            on_warning=warn,
            interrupt=interrupt,
            **{name: value for name in _ABOUT_ONE_GO if (value := getattr(options, name)) is not None},
        )


def _mask_picture(
    source: Path,
    target: Path | None,
    settings: Settings,
    options: argparse.Namespace,
    console: Console,
    interrupt: threading.Event,
) -> reports.Report:
    for flag in ("--masks", "--from-masks", "--start", "--end"):
        value = getattr(options, flag.removeprefix("--").replace("-", "_"))
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


def _run_many(
    options: argparse.Namespace, inputs: Inputs, settings: Settings, console: Console, interrupt: threading.Event
) -> int:
    """Make the copies of all inputs in `inputs.directory`; returns the worst exit code. Raises OutputError."""
    assert inputs.directory is not None
    plan = make_plan(inputs.sources, inputs.directory, inputs.recursive, PictureLimit(*settings.file.max_size))
    done = DoneBefore(inputs.directory, made_with(settings, options.verify, options.every))
    form = _form(options)

    def warn(copy: PlannedCopy, text: str) -> None:
        say(console, f"warning: {copy.source}: {text}", "yellow")

    results: dict[PlannedCopy, Result] = {}
    if not options.overwrite:
        results = _kept(plan.copies, done, interrupt)
    said = time.monotonic()
    for result in _made(
        [copy for copy in plan.copies if copy not in results], options, settings, interrupt, warn, console
    ):
        results[result.copy] = result
        done.note(result)
        if result.outcome is Outcome.FAILED:
            say(console, f"veilcast: {result.error}", "bold red")
        elif result.outcome is not Outcome.INTERRUPTED and form != "none" and time.monotonic() - said >= LINE_EVERY:
            said = time.monotonic()
            say(console, f"{len(results)} of {len(plan.copies)} files")
    if not options.quiet:
        for line, style in table([results[copy] for copy in plan.copies], plan.skipped):
            say(console, line, style)
    failed = (2 for skipped in plan.skipped if skipped.failed)
    code = worst([*(result.exit_code for result in results.values()), *failed])
    if code == INTERRUPTED:
        say(console, "veilcast: interrupted; only whole copies were kept", "bold red")
    return code


def _form(options: argparse.Namespace) -> str | None:
    """How progress is shown; None: as the terminal allows."""
    return options.progress or ("none" if options.quiet else None)


def _becomes_video(source: Path, target: Path | None) -> bool:
    """Whether an animated picture is to be written as a video."""
    return target is not None and target.suffix.lower() in FORMATS and is_animation_file(source)


def _video_job(options: argparse.Namespace) -> Callable[..., reports.Report]:
    """What masks a video: with a check of the copy if that was asked for."""
    if not options.verify:
        parts = (options.masks, options.from_masks, options.start, options.end)
        if any(value is not None for value in parts):
            return anonymize_file
        return partial(anonymize_recording, workers=options.workers or 1)
    from streamer.verify.verified_copy import EVERY, anonymize_and_verify

    return partial(anonymize_and_verify, every=options.every or EVERY)


def _kept(copies: tuple[PlannedCopy, ...], done: DoneBefore, interrupt: threading.Event) -> dict[PlannedCopy, Result]:
    kept: dict[PlannedCopy, Result] = {}
    for copy in copies:
        try:
            result = done.result(copy, interrupt)
        except InterruptedJobError:
            return kept  # the others come out as not done
        if result is not None:
            kept[copy] = result
    return kept


def _made(
    copies: list[PlannedCopy],
    options: argparse.Namespace,
    settings: Settings,
    interrupt: threading.Event,
    warn: Callable[[PlannedCopy, str], None],
    console: Console,
) -> Iterator[Result]:
    if options.jobs is not None and options.jobs > 1 and len(copies) > 1:
        make = partial(_make_mask, options, settings)
        jobs = min(options.jobs, len(copies))
        return run_in_processes(copies, jobs, make, unexpected, warn=warn, interrupt=interrupt)
    return run_all(copies, _make_mask(options, settings, interrupt, warn, console), unexpected)


def _make_mask(
    options: argparse.Namespace,
    settings: Settings,
    interrupt: threading.Event,
    warn: Callable[[PlannedCopy, str], None],
    console: Console | None = None,
) -> Callable[[PlannedCopy], reports.Report]:
    """What masks one file after the other; shows the progress of videos if there is a console."""
    engine = StillAnonymizer(settings)  # loads its weights with the first picture

    def mask(copy: PlannedCopy) -> reports.Report:
        say_so = partial(warn, copy)
        if copy.kind is not None:
            return anonymize_picture_file(
                copy.source,
                copy.target,
                settings,
                overwrite=options.overwrite,
                on_warning=say_so,
                interrupt=interrupt,
                engine=engine,
            )

        def video(on_progress: Callable[[Progress], None] | None) -> reports.Report:
            return _video_job(options)(
                copy.source,
                copy.target,
                settings,
                overwrite=options.overwrite,
                on_progress=on_progress,
                on_warning=say_so,
                interrupt=interrupt,
            )

        if console is None:
            return video(None)
        with progress_view(console, _form(options)) as view:
            return video(view.show)

    return mask


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
    copied = f"{_count(report.copied, 'frame')} copied as they were, " if report.copied else ""
    return (
        f"{report.output.path}: {report.frames} frames, {_count(report.faces, 'face')} followed, {covers}, "
        f"{copied}{report.frames / max(report.elapsed, 1e-9):.1f} fps{_doubts(report)}"
    )


def _doubts(report: reports.Report) -> str:
    if not report.doubtful:
        return ""
    worst = report.doubtful[0]
    return f"; {_count(len(report.doubtful), 'doubtful moment')} to look at, first {worst.start:.2f} s (--report)"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
