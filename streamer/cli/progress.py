"""What a running file job shows: a bar on a terminal, plain lines, lines of JSON for programs, or nothing."""

from __future__ import annotations

import contextlib
import json
import math
import time
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from streamer.file.job import Progress

LINE_EVERY = 5.0  # seconds between plain lines
JSON_EVERY = 1.0  # seconds between lines of JSON


class ProgressView(Protocol):
    """Shows how far a job is; a context manager."""

    def __enter__(self) -> ProgressView: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, progress: Progress) -> None:
        """Take in where the job is now."""
        ...


def share_done(progress: Progress) -> float | None:
    """How much of the job is done, 0 to 1, as far as the file's header can be believed; None if it says nothing."""
    if progress.duration:
        return min(1.0, max(0.0, progress.media_time / progress.duration))
    if progress.frames_expected:
        return min(1.0, progress.frames / progress.frames_expected)
    return None


def rates(progress: Progress) -> tuple[float, float]:
    """Frames a second, and media time against real time."""
    elapsed = max(progress.elapsed, 1e-6)
    return progress.frames / elapsed, progress.media_time / elapsed


class TerminalProgress:
    """A bar that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._bar = Bar(
            TextColumn("{task.percentage:>3.0f}%"),
            BarColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> TerminalProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Move the bar."""
        done = share_done(progress)
        if self._task is None:
            self._task = self._bar.add_task("", total=None if done is None else 1.0, detail="")
        fps, speed = rates(progress)
        detail = f"{progress.frames} frames  {fps:.1f} fps  {speed:.2f}x real time  {progress.faces} faces"
        self._bar.update(self._task, completed=done or 0.0, detail=detail)


class PlainProgress:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic() + LINE_EVERY

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, progress: Progress) -> None:
        """Write a line when the last one is old enough."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + LINE_EVERY
        with contextlib.suppress(OSError):  # nobody can read it any more: the job goes on
            self._console.print(plain_line(progress), highlight=False, soft_wrap=True)


class JsonProgress:
    """A line of JSON about once a second, and one at the end of the job."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic()
        self._unsaid: Progress | None = None

    def __enter__(self) -> JsonProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._unsaid is not None:
            self._say(self._unsaid)

    def show(self, progress: Progress) -> None:
        """Write a line when the last one is old enough."""
        now = time.monotonic()
        if now < self._next:
            self._unsaid = progress
            return
        self._next = now + JSON_EVERY
        self._say(progress)

    def _say(self, progress: Progress) -> None:
        self._unsaid = None
        with contextlib.suppress(OSError):
            self._console.print(Text(json_line(progress)), soft_wrap=True)


class NoProgress:
    """Shows nothing."""

    def __enter__(self) -> NoProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, progress: Progress) -> None:
        """Do nothing."""


def seconds_left(progress: Progress) -> float | None:
    """How long the rest takes at the pace so far; None if unknown."""
    done = share_done(progress)
    return progress.elapsed * (1 - done) / done if done else None


def plain_line(progress: Progress) -> str:
    """Progress in one line of plain text."""
    done = share_done(progress)
    fps, speed = rates(progress)
    parts = [] if done is None else [f"{100 * done:.0f} %"]
    parts += [f"{progress.frames} frames", f"{fps:.1f} fps", f"{speed:.2f}x real time"]
    if (left := seconds_left(progress)) is not None:
        parts.append(f"{left:.0f} s left")
    return ", ".join([*parts, f"{progress.faces} faces"])


def json_line(progress: Progress) -> str:
    """Progress as one JSON object; times in seconds, null if unknown."""
    return json.dumps(
        {
            "frames": progress.frames,
            "seconds": _rounded(max(0.0, progress.media_time), 3),
            "total": _rounded(progress.duration or None, 3),
            "fps": _rounded(rates(progress)[0], 2),
            "eta": _rounded(seconds_left(progress), 1),
        }
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return round(value, digits) if value is not None and math.isfinite(value) else None  # JSON has no infinity


def progress_view(console: Console, form: str | None = None) -> ProgressView:
    """The view for `--progress FORM`; None is a bar on a terminal and plain lines elsewhere.

    "bar" also becomes plain lines where the console is not a terminal.
    """
    match form:
        case "none":
            return NoProgress()
        case "json":
            return JsonProgress(console)
        case "plain":
            return PlainProgress(console)
    return TerminalProgress(console) if console.is_terminal else PlainProgress(console)
