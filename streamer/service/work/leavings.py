"""What a job's process has left in its folder. It may have been taken over, so nothing of it is trusted."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from streamer.file.report import Report
from streamer.service.jobs.step import Cut, Output
from streamer.service.work.task import MASKS, MEDIA_TYPES, PLAN, REPORT, RESULT, UNIT
from streamer.units.plan import UnitPlan

_MOST_REPORT: Final = 64 << 20  # bytes
_MOST_PLAN: Final = 8 << 20  # bytes


def collect(folder: Path, suffix: str) -> Output:
    """The files of a result. Raises ValueError if they are none."""
    if suffix not in MEDIA_TYPES:
        raise ValueError("its process named a result of an unknown kind")
    result = folder / f"{RESULT}{suffix}"
    others = {"report": folder / REPORT, "masks": folder / MASKS}
    _check_plain(result)
    for path in [path for path in others.values() if os.path.lexists(path)]:
        _check_plain(path)
    found, size = hashlib.sha256(), 0
    with result.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
            size += len(chunk)
    if size == 0:
        raise ValueError("its process left an empty result")
    kept = {name: path for name, path in others.items() if path.exists()}
    return Output(result, MEDIA_TYPES[suffix], size, found.hexdigest(), kept, _checked(kept.get("report")))


def collect_unit(folder: Path) -> Path:
    """The file of a masked unit. Raises ValueError if there is none."""
    unit = folder / UNIT
    _check_plain(unit)
    if unit.stat().st_size == 0:
        raise ValueError("its process left an empty result")
    return unit


def collect_plan(folder: Path, settings: str) -> Cut:
    """The units that a video is to be cut into, masked with `settings`. Raises ValueError for a plan that is none."""
    path = folder / PLAN
    _check_plain(path)
    if path.stat().st_size > _MOST_PLAN:
        raise ValueError("its process left a plan that is too large")
    try:
        plan = UnitPlan.from_json(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        raise ValueError("its process left a plan that is none") from None
    if len(plan.units) < 2:
        raise ValueError("its process left a plan without units")
    frames = sum(span.frames for span in plan.units)
    return Cut(
        settings,
        tuple(span.to_json() for span in plan.units),
        tuple(span.frames / frames for span in plan.units),
    )


def _checked(report: Path | None) -> str | None:
    """What a report says of the check of the masked file. Raises ValueError if it is no report."""
    if report is None:
        return None
    if report.stat().st_size > _MOST_REPORT:
        raise ValueError("its process left a report that is too large")
    try:
        found = Report.model_validate_json(report.read_bytes()).verification
    except ValidationError:
        raise ValueError("its process left a report that is none") from None
    if found is None:
        return None
    masked = sum(each.faces for each in found.rounds)
    return (
        "ok" if not found.left else f"{len(found.left)} places may still show a face; {masked} were masked in addition"
    )


def _check_plain(path: Path) -> None:
    """A link would have the server publish some other file that it may read, and the process may not."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise ValueError("its process left no result") from None
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.getuid():
        raise ValueError("its process left a result that is no plain file")
