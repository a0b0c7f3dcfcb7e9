"""Masks the file of a job, a picture or a video, or does one step of that, and says how far it is."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from streamer.errors import InputError, JobError
from streamer.file import report as reports
from streamer.file.job import Progress, anonymize_file
from streamer.file.masked_file import FORMATS
from streamer.pictures.job import anonymize_picture_file
from streamer.pictures.kind import SUFFIXES, picture_kind
from streamer.service.work.task import MASKS, ORIGINAL, PLAN, REPORT, RESULT, UNIT, Said, Task
from streamer.settings.file import Settings
from streamer.units.job import anonymize_recording
from streamer.units.join import join_units
from streamer.units.plan import plan_file
from streamer.units.span import UnitSpan
from streamer.units.unit import UncutError, mask_unit
from streamer.units.unit_file import UnitFileError
from streamer.verify.verified_copy import anonymize_and_verify

_EVERY: Final = 0.5  # seconds between two lines of progress


def perform(task: Task, say: Callable[[Said], None], clock: Callable[[], float]) -> Said:
    """Do a step of a job; returns the last thing to say. Does not raise."""
    try:
        settings = Settings.model_validate_json(task.settings)
        original, folder = Path(task.inputs) / ORIGINAL, Path(task.folder)
        if task.step == "unit":
            meter = _Meter(say, clock, passes=1)
            container, span = FORMATS[video_suffix(original)], UnitSpan.from_json(task.span or "")
            mask_unit(original, span, folder / UNIT, settings, container=container, on_progress=meter.show)
            return Said(progress=1.0, left="unit")
        kind = picture_kind(original)
        if kind is not None:
            suffix = SUFFIXES[kind][0]
            made = anonymize_picture_file(original, (folder / RESULT).with_suffix(suffix), settings)
        else:
            if task.step == "whole" and task.may_cut:
                plan = plan_file(original, settings)
                if len(plan.units) > 1:
                    (folder / PLAN).write_text(plan.to_json())
                    return Said(left="plan")
            suffix = video_suffix(original)
            meter = _Meter(say, clock, passes=2 if task.verify else 1)
            made = _video(task, original, (folder / RESULT).with_suffix(suffix), settings, meter)
        reports.write(_without_paths(made), folder / REPORT)
        return Said(progress=1.0, suffix=suffix)
    except JobError as error:
        cause = error.cause
        return Said(failed=cause, blame=_blame(error, cause))
    except (UncutError, UnitFileError) as error:
        return Said(failed=f"units that do not fit together ({error})", blame="cut")
    except MemoryError:
        return Said(failed="needed more memory than a job may have")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return Said(failed=(error.strerror or str(error)).lower(), blame="disk" if full else "unknown")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is one line for whoever reads the job
        return Said(failed=f"unexpected error ({type(error).__name__})")


def _video(task: Task, original: Path, result: Path, settings: Settings, meter: _Meter) -> reports.Report:
    """Make a masked video, from its units if it has been cut into some. Raises JobError."""
    if task.step == "join":
        return join_units(original, [task.unit(n) for n in range(task.units)], result, settings, on_progress=meter.show)
    if task.may_cut and not task.verify and not task.masks:
        return anonymize_recording(original, result, settings, on_progress=meter.show)
    job = anonymize_and_verify if task.verify else anonymize_file
    masks = Path(task.folder) / MASKS if task.masks else None
    return job(original, result, settings, on_progress=meter.show, masks=masks)


def _blame(error: JobError, cause: str) -> Literal["file", "disk", "unknown"]:
    if isinstance(error, InputError):
        return "file"
    return "disk" if "disk is full" in cause or "no space left" in cause else "unknown"


def _without_paths(made: reports.Report) -> reports.Report:
    """Where a worker keeps its files concerns nobody."""
    return made.model_copy(
        update={
            "input": made.input.model_copy(update={"path": "original"}),
            "output": made.output.model_copy(update={"path": "masked"}),
        }
    )


def video_suffix(path: Path) -> str:
    """The ending of a video's copy: the container that it is in, if that can be written, otherwise Matroska."""
    with path.open("rb") as file:
        head = file.read(189)
    if head[4:8] == b"ftyp":
        return ".mov" if head[8:12] == b"qt  " else ".mp4"
    return ".ts" if head[:1] == b"G" and head[188:189] == b"G" else ".mkv"


class _Meter:
    """Says how far a job is, not too often, and never less than before. A second pass is as long as the first."""

    def __init__(self, say: Callable[[Said], None], clock: Callable[[], float], passes: int) -> None:
        self._say, self._clock, self._passes = say, clock, passes
        self._begun, self._said, self._most = clock(), float("-inf"), 0.0
        self._pass, self._last = 0, 0

    def show(self, progress: Progress) -> None:
        if progress.frames < self._last:
            self._pass += 1
        self._last = progress.frames
        now = self._clock()
        if now - self._said < _EVERY:
            return
        self._said = now
        done = 0.0
        if progress.duration:
            done = progress.media_time / progress.duration
        elif progress.frames_expected:
            done = progress.frames / progress.frames_expected
        whole = (min(self._pass, self._passes - 1) + min(max(done, 0.0), 1.0)) / self._passes
        self._most = max(self._most, min(whole, 0.99))
        left = (now - self._begun) * (1 - self._most) / self._most if self._most > 0.02 else None
        self._say(Said(progress=round(self._most, 4), seconds_left=None if left is None else round(left, 1)))
