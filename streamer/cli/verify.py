"""`veilcast verify`: from options to a list of what still shows."""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path

from rich.console import Console

from streamer.batch.run import SHOWS
from streamer.cli.console import say, write_result
from streamer.cli.progress import progress_view
from streamer.errors import OutputError
from streamer.file.job import Progress
from streamer.file.report import check_report_target
from streamer.settings.loading import load
from streamer.verify.job import EVERY, verify_file
from streamer.verify.verify_report import VerifyReport, write_new

MOST_LINES = 20


def run_verify(options: argparse.Namespace, console: Console, interrupt: threading.Event) -> int:
    """Check and list what shows; returns the exit code. Raises JobError, InterruptedJobError."""
    settings = load(options.config)
    original, masked = Path(options.original), Path(options.masked)
    report = None if options.report is None else Path(options.report)
    sheet = None if options.sheet is None else Path(options.sheet)
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise OutputError(sheet, "the name of a contact sheet must end in .png")
    videos = [original, masked]
    if report is not None:
        check_report_target(report, [*videos, *([] if sheet is None else [sheet])], options.overwrite)
    if sheet is not None:
        check_report_target(sheet, videos, options.overwrite)
    begun = time.monotonic()
    every = options.every or EVERY
    with progress_view(console, options.progress or ("none" if options.quiet else None)) as view:
        found = verify_file(
            original,
            masked,
            settings,
            every=every,
            sheet=sheet,
            overwrite=options.overwrite,
            on_frame=lambda checked, at: view.show(
                Progress(checked * every, None, at, None, 0, time.monotonic() - begun)
            ),
            on_warning=lambda text: say(console, f"warning: {text}", "yellow"),
            interrupt=interrupt,
        )
    if report is not None:
        write_new(report, (found.model_dump_json(by_alias=True, indent=2) + "\n").encode(), options.overwrite)
    if not options.quiet:
        write_result("".join(f"{line}\n" for line in listed(found)))
        say(console, summary(found), "red" if found.findings_total else "green")
    return SHOWS if found.findings_total else 0


def listed(report: VerifyReport) -> list[str]:
    """What shows, one line for each face and stretch of time, most visible first."""
    lines = []
    for moment in report.moments[:MOST_LINES]:
        x0, y0, x1, y1 = (round(v) for v in moment.box)
        lines.append(
            f"{moment.start:.2f} s to {moment.end:.2f} s: {100 * moment.share:.0f} % visible at {x0},{y0} "
            f"{x1 - x0}x{y1 - y0}, {moment.detector} {moment.score:.2f}, checked frames: {moment.frames}"
        )
    if len(report.moments) > MOST_LINES:
        lines.append(f"and {len(report.moments) - MOST_LINES} more; --report lists them")
    return lines


def summary(report: VerifyReport) -> str:
    """The result in one line."""
    speed = report.checked / max(report.elapsed, 1e-9)
    found = f"{report.findings_total} face-frames may show" if report.findings_total else "nothing shows"
    return f"{report.masked.path}: {found}; {report.checked} of {report.frames} frames checked, {speed:.1f} a second"
