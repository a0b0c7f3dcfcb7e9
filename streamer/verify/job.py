"""Verifies a masked file against its original."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from streamer.errors import InputError
from streamer.file.report import digest, versions
from streamer.media.picture_limit import PictureLimit
from streamer.runtime.opencv_threads import one_opencv_thread
from streamer.settings.file import Settings
from streamer.verify.check import check
from streamer.verify.contact_sheet import ContactSheet
from streamer.verify.moments import moments, numbers
from streamer.verify.verify_report import MOST_FINDINGS, Finding, VerifyReport, write_new
from streamer.version import VERSION
from streamer.warning_log import WarningLog

EVERY = 5
"""By default, one of so many frames is checked."""
MOST_MOMENTS = 1000
OWNER_ONLY = 0o600


def verify_file(
    original: Path | str,
    masked: Path | str,
    settings: Settings | None = None,
    *,
    every: int = EVERY,
    sheet: Path | str | None = None,
    overwrite: bool = False,
    on_frame: Callable[[int, float], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
    interrupt: threading.Event | None = None,
) -> VerifyReport:
    """Search every n-th frame of the video `original` for faces, and report which of them `masked` still shows.

    `masked` may be any tool's copy: another codec, container or size, a few frames more or less. `sheet` is a PNG file
    with crops of what was found; it shows the faces that were missed, so only its owner can read it. `on_frame` is
    called with the number of checked frames and the time in seconds. Raises InputError if a file cannot be read or the
    two cannot be compared, OutputError if the sheet cannot be written, and InterruptedJobError once `interrupt` is set.
    Raises ValueError if `every` is less than 1. Sets OpenCV to one thread in the whole process.
    """
    if every < 1:
        raise ValueError(f"every must be 1 or more, not {every}")
    original, masked = Path(original), Path(masked)
    one_opencv_thread()
    begun = time.monotonic()
    warnings = WarningLog(on_warning)
    if original.exists() and masked.exists() and original.samefile(masked):
        raise InputError(masked, "is the original itself: name the original and its masked copy")
    crops = ContactSheet() if sheet is not None else None
    settings = settings or Settings()
    outcome = check(
        original,
        masked,
        every,
        limit=PictureLimit(*settings.file.max_size),
        warnings=warnings,
        on_frame=on_frame,
        on_sight=None if crops is None else crops.add,
        interrupt=interrupt,
    )
    if outcome.unpaired:
        warnings.add("unpaired", f"{outcome.unpaired} checked frames have no counterpart in the masked file")
    if crops is not None:
        write_new(Path(sheet or ""), crops.png(outcome.findings), overwrite, OWNER_ONLY)
    ranked = sorted(outcome.findings, key=lambda s: (-s.share * min(2.0, s.suspect.evidence), s.time))
    return VerifyReport(
        veilcast=VERSION,
        versions=versions(),
        original=digest(original, interrupt),
        masked=digest(masked, interrupt),
        every=every,
        frames=outcome.frames,
        checked=outcome.checked,
        judged=outcome.judged,
        unpaired=outcome.unpaired,
        skipped=outcome.skipped,
        findings_total=len(ranked),
        findings=[
            Finding(
                time=round(s.time, 6),
                frame=s.frame,
                box=numbers(s),
                score=min(1.0, round(s.suspect.score, 4)),
                detector=s.suspect.detector,
                witnesses=list(s.suspect.witnesses),
                share=round(min(1.0, s.share), 4),
            )
            for s in ranked[:MOST_FINDINGS]
        ],
        moments=moments(outcome.findings, outcome.interval)[:MOST_MOMENTS],
        warnings=warnings.lines,
        elapsed=round(time.monotonic() - begun, 3),
    )
