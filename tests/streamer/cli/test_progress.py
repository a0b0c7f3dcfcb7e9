"""What is shown of a running job."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.console import Console

from streamer.cli import progress
from streamer.cli.progress import (
    JsonProgress,
    NoProgress,
    PlainProgress,
    TerminalProgress,
    json_line,
    plain_line,
    progress_view,
    rates,
    share_done,
)
from streamer.file.job import Progress


def at(
    frames: int = 50,
    expected: int | None = 100,
    media: float = 2.0,
    duration: float | None = 4.0,
    faces: int = 3,
    elapsed: float = 1.0,
) -> Progress:
    return Progress(frames, expected, media, duration, faces, elapsed)


@pytest.mark.parametrize(
    ("state", "share"),
    [
        (at(), 0.5),
        (at(duration=None), 0.5),
        (at(expected=None), 0.5),
        (at(duration=None, expected=None), None),
        (at(duration=0.0, expected=0), None),
        (at(media=9.0), 1.0),
        (at(media=-1.0), 0.0),
        (at(frames=500, duration=None), 1.0),
    ],
)
def test_share_done(state: Progress, share: float | None) -> None:
    assert share_done(state) == share


def test_rates() -> None:
    assert rates(at(elapsed=4.0)) == (12.5, 0.5)
    assert all(rate >= 0 for rate in rates(at(elapsed=0.0)))


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (at(), "50 %, 50 frames, 50.0 fps, 2.00x real time, 1 s left, 3 faces"),
        (at(duration=None, expected=None), "50 frames, 50.0 fps, 2.00x real time, 3 faces"),
        (at(media=0.0), "0 %, 50 frames, 50.0 fps, 0.00x real time, 3 faces"),
    ],
)
def test_plain_line(state: Progress, line: str) -> None:
    assert plain_line(state) == line


def test_a_pipe_gets_plain_lines_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("streamer.cli.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "LINE_EVERY", 5.0)
    out = io.StringIO()
    view = progress_view(Console(file=out))
    assert isinstance(view, PlainProgress)
    with view:
        for second in range(13):
            now[0] = 100.0 + second
            view.show(at(frames=second))
    lines = out.getvalue().splitlines()
    assert [line.split(", ")[1] for line in lines] == ["5 frames", "10 frames"]
    assert "\x1b" not in out.getvalue()


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    view = progress_view(console)
    assert isinstance(view, TerminalProgress)
    with view:
        view.show(at(duration=None, expected=None))
        view.show(at())
    assert "50 frames" in out.getvalue() and "3 faces" in out.getvalue()
    assert out.getvalue().rstrip().endswith("\x1b[2K"), "the line is cleared at the end"


@pytest.mark.parametrize(
    ("state", "record"),
    [
        (at(), {"frames": 50, "seconds": 2.0, "total": 4.0, "fps": 50.0, "eta": 1.0}),
        (at(duration=None), {"frames": 50, "seconds": 2.0, "total": None, "fps": 50.0, "eta": 1.0}),
        (at(duration=None, expected=None), {"frames": 50, "seconds": 2.0, "total": None, "fps": 50.0, "eta": None}),
        (at(duration=0.0, expected=0), {"frames": 50, "seconds": 2.0, "total": None, "fps": 50.0, "eta": None}),
        (at(media=0.0), {"frames": 50, "seconds": 0.0, "total": 4.0, "fps": 50.0, "eta": None}),
        (at(media=-1.0), {"frames": 50, "seconds": 0.0, "total": 4.0, "fps": 50.0, "eta": None}),
        (at(media=9.0), {"frames": 50, "seconds": 9.0, "total": 4.0, "fps": 50.0, "eta": 0.0}),
        (at(frames=7, elapsed=3.0), {"frames": 7, "seconds": 2.0, "total": 4.0, "fps": 2.33, "eta": 3.0}),
    ],
)
def test_json_line(state: Progress, record: dict[str, object]) -> None:
    line = json_line(state)
    assert json.loads(line) == record and line.startswith('{"frames": ') and "\n" not in line


def test_json_knows_no_infinity() -> None:
    record = json.loads(json_line(at(media=math.inf, duration=math.inf)), parse_constant=pytest.fail)
    assert (record["seconds"], record["total"], record["eta"]) == (None, None, None)


def test_json_comes_once_a_second_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("streamer.cli.progress.time.monotonic", lambda: now[0])
    out = io.StringIO()
    view = progress_view(Console(file=out, width=20), "json")
    assert isinstance(view, JsonProgress)
    with view:
        for quarter in range(11):
            now[0] = 100.0 + quarter / 4
            view.show(at(frames=quarter))
    assert [json.loads(line)["frames"] for line in out.getvalue().splitlines()] == [0, 4, 8, 10]


def test_what_has_been_said_is_not_said_again_at_the_end() -> None:
    out = io.StringIO()
    with JsonProgress(Console(file=out)) as view:
        view.show(at())
    assert len(out.getvalue().splitlines()) == 1


def test_a_job_that_fails_does_not_end_with_progress() -> None:
    out = io.StringIO()
    with pytest.raises(RuntimeError), JsonProgress(Console(file=out)) as view:
        view.show(at(frames=1))
        view.show(at(frames=2))
        raise RuntimeError
    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    ("form", "terminal", "kind"),
    [
        (None, True, TerminalProgress),
        (None, False, PlainProgress),
        ("bar", True, TerminalProgress),
        ("bar", False, PlainProgress),
        ("plain", True, PlainProgress),
        ("json", True, JsonProgress),
        ("json", False, JsonProgress),
        ("none", True, NoProgress),
    ],
)
def test_views(form: str | None, terminal: bool, kind: type) -> None:
    assert type(progress_view(Console(file=io.StringIO(), force_terminal=terminal), form)) is kind


def test_nothing_is_shown_if_nothing_is_asked_for() -> None:
    out = io.StringIO()
    with progress_view(Console(file=out, force_terminal=True), "none") as view:
        view.show(at())
    assert out.getvalue() == ""
