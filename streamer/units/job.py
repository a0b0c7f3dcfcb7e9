"""Masks a recording in units, several at a time, and goes on from finished ones after a run that was killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from streamer.errors import InputError, InterruptedJobError, JobError, OutputError
from streamer.file.job import Progress, anonymize_file
from streamer.file.masked_file import FORMATS, check_target, default_output
from streamer.file.report import Report, digest
from streamer.file.source import FileSource
from streamer.media.picture_limit import PictureLimit
from streamer.runtime.crew import Done, Undone, run_in_crew
from streamer.settings.file import Settings
from streamer.units.join import join_units
from streamer.units.plan import UnitPlan, plan_file
from streamer.units.span import UnitSpan
from streamer.units.unit import UncutError, mask_unit
from streamer.units.unit_file import UnitFileError
from streamer.units.units_folder import UnitsFolder

MOST_WORKERS: Final = 64
TRIES: Final = 3
"""How often a unit is tried whose process dies."""

_EVERY: Final = 0.2  # seconds between two words about progress


@dataclass(frozen=True, slots=True)
class _Order:
    span: UnitSpan
    target: Path
    name: Path
    container: str
    tries: int = 1


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why a unit could not be made; `kind` is what is raised for it."""

    kind: Literal["input", "output", "uncut", "interrupted", "other"]
    cause: str = ""


@dataclass(frozen=True, slots=True)
class _Said:
    span: UnitSpan
    progress: Progress


def anonymize_recording(
    source: Path | str,
    target: Path | str | None = None,
    settings: Settings | None = None,
    *,
    workers: int = 1,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
    interrupt: threading.Event | None = None,
) -> Report:
    """Like `anonymize_file`, but cut into units of one or two minutes, `workers` processes at a time.

    The copy is the same, byte for byte, for any number of workers. Finished units stay in a hidden folder beside the
    target until the copy is complete: after a run that was stopped or killed, the same call goes on from them. Short
    recordings, and those that cannot be cut, are masked in one go; if `workers` is more than 1, a warning says why.
    Raises what `anonymize_file` raises; ValueError unless 1 <= `workers` <= `MOST_WORKERS`.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise ValueError(f"workers must be from 1 to {MOST_WORKERS}")
    source, settings, interrupt = Path(source), settings or Settings(), interrupt or threading.Event()
    target = default_output(source) if target is None else Path(target)
    begun = time.monotonic()

    def whole(why: str | None) -> Report:
        if workers > 1 and why is not None and on_warning is not None:
            on_warning(f"masked in one go, not in parts: {why}")
        return anonymize_file(
            source,
            target,
            settings,
            overwrite=overwrite,
            on_progress=on_progress,
            on_warning=on_warning,
            interrupt=interrupt,
        )

    if source.is_file():  # before all of it is read
        check_target(source, target, overwrite)
    plan = plan_file(source, settings, interrupt)
    if not plan.units:
        return whole(plan.whole_because)
    before = digest(source, interrupt)
    try:
        with UnitsFolder(target, before.sha256, settings, plan) as folder:
            meter = None if on_progress is None else _Meter(plan, folder, source, settings, on_progress)
            _mask(source, settings, plan, folder, workers, meter, interrupt, target)
            report = join_units(
                source,
                [folder.unit(span) for span in plan.units],
                target,
                settings,
                overwrite=overwrite,
                on_warning=on_warning,
                interrupt=interrupt,
                before=before,
            )
    except InterruptedJobError as error:
        if not folder.path.exists():
            raise
        kept = f"finished parts are kept in {folder.path}: the same command goes on from them"
        raise InterruptedJobError(kept) from error
    except (UncutError, UnitFileError) as error:
        return whole(str(error))
    except OSError as error:
        raise OutputError(target, f"cannot be written ({(error.strerror or str(error)).lower()})") from error
    return report.model_copy(update={"elapsed": round(time.monotonic() - begun, 3)})


def _mask(
    source: Path,
    settings: Settings,
    plan: UnitPlan,
    folder: UnitsFolder,
    workers: int,
    meter: _Meter | None,
    interrupt: threading.Event,
    target: Path,
) -> None:
    """Make the units that are not there yet."""
    container = FORMATS[target.suffix.lower()]
    orders = [
        _Order(span, folder.unfinished(span), folder.unit(span), container)
        for span in plan.units
        if not folder.is_done(span)
    ]
    make = partial(_make_work, source, settings)

    def hear(said: _Said) -> None:
        if meter is not None:
            meter.show(said)

    if workers == 1:
        work = make(interrupt, hear)
        for order in orders:
            _check(work(order), source, target)
        return
    while orders:
        again: list[_Order] = []
        for ended in run_in_crew(
            orders, min(workers, len(orders)), make, hear=hear, interrupt=interrupt, name="veilcast-unit"
        ):
            if isinstance(ended, Done):
                _check(ended.answer, source, target)
            else:
                again.append(_another_try(ended, source))
        orders = again


def _another_try(ended: Undone[_Order], source: Path) -> _Order:
    order = ended.order
    if ended.exit_code is None:
        raise InterruptedJobError
    if order.tries >= TRIES:
        said = f"the process that masked part {order.span.number + 1} was ended by the system {TRIES} times"
        raise JobError(source, f"{said} (exit code {ended.exit_code}): too little memory?")
    order.target.unlink(missing_ok=True)
    return replace(order, tries=order.tries + 1)


def _make_work(
    source: Path, settings: Settings, interrupt: threading.Event, say: Callable[[_Said], None]
) -> Callable[[_Order], _Failed | None]:
    said = float("-inf")

    def show(order: _Order, progress: Progress) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= _EVERY or progress.frames == order.span.frames:
            said = now
            say(_Said(order.span, progress))

    def work(order: _Order) -> _Failed | None:
        try:
            mask_unit(
                source,
                order.span,
                order.target,
                settings,
                container=order.container,
                on_progress=partial(show, order),
                interrupt=interrupt,
            )
            order.target.replace(order.name)
        except InputError as error:
            return _Failed("input", error.cause)
        except UncutError as error:
            return _Failed("uncut", str(error))
        except InterruptedJobError:
            return _Failed("interrupted")
        except OSError as error:
            return _Failed("output", f"cannot be written ({(error.strerror or str(error)).lower()})")
        except Exception as error:  # noqa: BLE001 - errors do not travel between processes as they are
            return _Failed("other", f"unexpected error in part {order.span.number + 1}: {error!r}")
        return None

    return work


def _check(failed: _Failed | None, source: Path, target: Path) -> None:
    if failed is None:
        return
    if failed.kind == "interrupted":
        raise InterruptedJobError
    if failed.kind == "uncut":
        raise UncutError(failed.cause)
    if failed.kind == "output":
        raise OutputError(target, failed.cause)
    raise InputError(source, failed.cause) if failed.kind == "input" else JobError(source, failed.cause)


class _Meter:
    """The progress of all units as that of one job."""

    def __init__(
        self,
        plan: UnitPlan,
        folder: UnitsFolder,
        source: Path,
        settings: Settings,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._total = sum(span.frames for span in plan.units)
        self._frames = {span.number: span.frames for span in plan.units if folder.is_done(span)}
        self._faces: dict[int, int] = {}
        with FileSource(source, threads=1, limit=PictureLimit(*settings.file.max_size)) as reader:
            self._seconds = float(self._total / reader.info.rate)
        self._on_progress = on_progress
        self._begun = time.monotonic()

    def show(self, said: _Said) -> None:
        """Tell how far all are."""
        self._frames[said.span.number] = said.progress.frames
        self._faces[said.span.number] = said.progress.faces
        frames = sum(self._frames.values())
        self._on_progress(
            Progress(
                frames,
                self._total,
                self._seconds * frames / self._total,
                self._seconds,
                sum(self._faces.values()),
                time.monotonic() - self._begun,
            )
        )
