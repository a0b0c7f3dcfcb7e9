"""Makes a masked copy, checks it, masks what the check finds, and only then gives it its name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from core.config import EngineConfig
from core.frame import Cover, Region
from core.verify.additions import added_regions
from core.verify.chains import Sight
from streamer.errors import InputError, InterruptedJobError, OutputError
from streamer.file.job import Progress, anonymize_file
from streamer.file.mask_reader import MaskRecord
from streamer.file.mask_record import RecordedFrame, RecordedRegion
from streamer.file.mask_writer import MaskWriter, check_masks_target
from streamer.file.masked_file import check_target, default_output
from streamer.file.report import Report, Verification, VerifyRound, digest
from streamer.media.picture_limit import PictureLimit
from streamer.settings.file import Settings
from streamer.verify.check import CheckOutcome, Searched, check
from streamer.verify.moments import moments
from streamer.verify.work_folder import WorkFolder

ROUNDS = 3
"""How often a copy is painted again at most."""
EVERY = 1
"""By default, one of so many frames is checked."""
MOST_MOMENTS = 1000
EXTRA_MARGIN = 1.2  # on top of the usual one, again in every round: the place is less certain


def anonymize_and_verify(
    source: Path | str,
    target: Path | str | None = None,
    settings: Settings | None = None,
    *,
    every: int = EVERY,
    rounds: int = ROUNDS,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
    interrupt: threading.Event | None = None,
    masks: Path | str | None = None,
    from_masks: Path | str | None = None,
) -> Report:
    """Like `anonymize_file`, and check the copy against the original before it appears.

    Every n-th frame is searched with all detectors. What still shows is masked in addition, and the copy is painted
    again from the original, at most `rounds` times. `Report.verification` says what was added and what is left.
    `on_progress` starts again for each pass. Raises what `anonymize_file` raises; ValueError if `every` is less than 1
    or `rounds` less than 0.
    """
    if every < 1 or rounds < 0:
        raise ValueError("every must be 1 or more and rounds 0 or more")
    source = Path(source)
    target = default_output(source) if target is None else Path(target)
    if not source.exists():
        raise InputError(source, "does not exist")
    check_target(source, target, overwrite)
    if masks is not None:
        others = [source, target, *([] if from_masks is None else [Path(from_masks)])]
        check_masks_target(Path(masks), others, overwrite)
    try:
        with WorkFolder(target) as folder:
            job = _Job(source, folder.path / f"copy{target.suffix}", settings, every, rounds, on_progress, interrupt)
            report, record = job.run(on_warning, None if from_masks is None else Path(from_masks))
            log = None if masks is None else _record_copy(record, Path(masks), overwrite)
            try:
                folder.publish(job.copy, overwrite)
                if log is not None:
                    log.publish()
            finally:
                if log is not None:
                    log.__exit__(None, None, None)
    except FileExistsError as error:
        raise OutputError(target, "appeared while the copy was being made; --overwrite replaces it") from error
    except OutputError as error:
        named = error.path if error.path in (target, None if masks is None else Path(masks)) else target
        raise OutputError(named, error.cause) from error
    except OSError as error:
        raise OutputError(target, f"cannot be written ({(error.strerror or str(error)).lower()})") from error
    return report.model_copy(update={"output": digest(target)})


class _Job:
    """The passes of one job; `copy` is where the unfinished copy is."""

    def __init__(
        self,
        source: Path,
        copy: Path,
        settings: Settings | None,
        every: int,
        rounds: int,
        on_progress: Callable[[Progress], None] | None,
        interrupt: threading.Event | None,
    ) -> None:
        self._source, self.copy, self._settings = source, copy, settings
        self._every, self._rounds = every, rounds
        self._on_progress, self._interrupt = on_progress, interrupt
        self._searched = Searched()

    def run(self, on_warning: Callable[[str], None] | None, from_masks: Path | None) -> tuple[Report, Path]:
        """The report and the record of what was painted in the end."""
        begun = time.monotonic()
        first = last = self._paint(0, from_masks, on_warning)
        checking = time.monotonic()
        record = self._record(0)
        outcome = self._check(last)
        rounds: list[VerifyRound] = []
        added: list[Sight] = []
        while outcome.likely and len(rounds) < self._rounds:
            number = len(rounds) + 1
            edited = self.copy.with_name(f"edited{number}.jsonl")
            rounds.append(self._edit(record, edited, outcome, number))
            added += outcome.likely
            self.copy.unlink()  # never two copies at once: the disk may be full
            last = self._paint(number, edited, None)
            record = self._record(number)
            outcome = self._check(last)
        rounds.append(VerifyRound(findings=len(outcome.likely), faces=0, frames=0))
        verification = Verification(
            every=self._every,
            checked=outcome.checked,
            rounds=rounds,
            added=moments(added, outcome.interval)[:MOST_MOMENTS],
            left=moments(outcome.findings, outcome.interval)[:MOST_MOMENTS],
            seconds=round(time.monotonic() - checking, 3),
        )
        elapsed = round(time.monotonic() - begun, 3)
        return first.model_copy(
            update={
                "seconds": last.seconds,
                "doubtful": last.doubtful,
                "verification": verification,
                "elapsed": elapsed,
            }
        ), record

    def _record(self, number: int) -> Path:
        return self.copy.with_name(f"masks{number}.jsonl")

    def _paint(self, number: int, masks: Path | None, on_warning: Callable[[str], None] | None) -> Report:
        return anonymize_file(
            self._source,
            self.copy,
            self._settings,
            on_progress=self._on_progress,
            on_warning=on_warning,
            interrupt=self._interrupt,
            masks=self._record(number),
            from_masks=masks,
        )

    def _check(self, made: Report) -> CheckOutcome:
        begun = time.monotonic()

        def show(checked: int, at: float) -> None:
            if self._on_progress is not None:
                done = checked * self._every
                elapsed = time.monotonic() - begun
                self._on_progress(Progress(done, made.frames, at, None, made.faces, elapsed))

        limit = PictureLimit(*(self._settings or Settings()).file.max_size)
        return check(
            self._source,
            self.copy,
            self._every,
            limit=limit,
            searched=self._searched,
            ours=True,
            on_frame=show,
            interrupt=self._interrupt,
        )

    def _edit(self, record: Path, edited: Path, outcome: CheckOutcome, number: int) -> VerifyRound:
        """Write the record with the regions that a check asks for."""
        track = (self._settings or EngineConfig()).track
        with MaskRecord(record) as opened:
            times = [(f.frame, f.time or 0.0) for f in opened.decisions()]
        with MaskRecord(record) as opened:
            most = max((r.track for f in opened.decisions() for r in f.regions), default=-1)
        extra = added_regions(times, outcome.likely, outcome.interval, track.margin * EXTRA_MARGIN**number, most + 1)
        faces: set[int] = set()
        frames = 0
        with MaskRecord(record) as opened, MaskWriter(edited, opened.header, overwrite=False) as log:
            size = opened.header.width or 1, opened.header.height or 1
            for frame, regions in zip(opened.decisions(), extra, strict=True):
                if self._interrupt is not None and self._interrupt.is_set():
                    raise InterruptedJobError
                frames += bool(regions) and frame.cover is not Cover.BLANKET
                faces.update(r.track for r in regions)
                log.write_decision(_with(frame, regions), size)
            log.complete()
            log.publish()
        return VerifyRound(findings=len(outcome.likely), faces=len(faces), frames=frames)


def _with(frame: RecordedFrame, regions: Sequence[Region]) -> RecordedFrame:
    if frame.cover is Cover.BLANKET or not regions:
        return frame
    more = tuple(
        RecordedRegion(
            box=(r.box.x0, r.box.y0, r.box.x1, r.box.y1), track=r.track, label=r.label, score=r.score, origin=r.origin
        )
        for r in regions
    )
    return frame.model_copy(update={"regions": (*frame.regions, *more)})


def _record_copy(record: Path, target: Path, overwrite: bool) -> MaskWriter:
    """The record as the user asked for it, complete but not published yet."""
    with MaskRecord(record) as opened:
        size = opened.header.width or 1, opened.header.height or 1
        log = MaskWriter(target, opened.header, overwrite)
        try:
            for frame in opened.decisions():
                log.write_decision(frame, size)
            log.complete()
        except BaseException:
            log.__exit__(None, None, None)
            raise
    return log
