"""`veilcast file` with many inputs: one after the other, or several at a time, and a table at the end."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from rich.console import Console

from core.still import StillAnonymizer
from streamer.batch.done import DoneBefore, made_with
from streamer.batch.plan import PlannedCopy, make_plan
from streamer.batch.processes import run_in_processes
from streamer.batch.run import INTERRUPTED, Outcome, Result, run_all, worst
from streamer.batch.table import table
from streamer.cli.console import say, unexpected
from streamer.cli.file_options import Inputs
from streamer.cli.progress import LINE_EVERY, progress_view
from streamer.errors import InterruptedJobError
from streamer.file import report as reports
from streamer.file.job import Progress, anonymize_file
from streamer.media.picture_limit import PictureLimit
from streamer.pictures.job import anonymize_picture_file
from streamer.settings.file import Settings


def run_many(
    options: argparse.Namespace, inputs: Inputs, settings: Settings, console: Console, interrupt: threading.Event
) -> int:
    """Make the copies of all inputs in `inputs.directory`; returns the worst exit code. Raises OutputError."""
    assert inputs.directory is not None
    plan = make_plan(inputs.sources, inputs.directory, inputs.recursive, PictureLimit(*settings.file.max_size))
    done = DoneBefore(inputs.directory, made_with(settings, options.verify, options.every))
    form = progress_form(options)

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


def progress_form(options: argparse.Namespace) -> str | None:
    """How progress is shown; None: as the terminal allows."""
    return options.progress or ("none" if options.quiet else None)


def video_job(options: argparse.Namespace) -> Callable[..., reports.Report]:
    """What masks a video: with a check of the copy if that was asked for."""
    if not options.verify:
        return anonymize_file
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
            return video_job(options)(
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
        with progress_view(console, progress_form(options)) as view:
            return video(view.show)

    return mask
