"""What is shown of a running job."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from streamer.cli import progress
from streamer.cli.progress import PlainProgress, TerminalProgress, plain_line, progress_view, rates, share_done
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
