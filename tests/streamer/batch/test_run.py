"""Bad inputs do not cost the good ones, and nothing is lost from the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.batch.plan import PlannedCopy, Skipped
from streamer.batch.run import Outcome, Result, run_all, worst
from streamer.batch.table import table
from streamer.errors import InputError, InterruptedJobError
from streamer.file.report import Report


def copies(directory: Path, *names: str) -> list[PlannedCopy]:
    return [PlannedCopy(Path(name), directory / name, None) for name in names]


def fails(copy: PlannedCopy) -> Report:
    raise {
        "input": InputError(copy.source, "is empty"),
        "bug": KeyError("oh"),
        "disk": OSError(28, "No space left on device"),
        "stop": InterruptedJobError(),
    }[copy.source.name]


def run(directory: Path, *names: str) -> list[Result]:
    return list(run_all(copies(directory, *names), fails, lambda error: f"bug: {error}"))


def test_it_goes_on_after_every_kind_of_failure(tmp_path: Path) -> None:
    found = run(tmp_path, "input", "bug", "disk", "input")
    assert [result.exit_code for result in found] == [2, 1, 1, 2]
    assert [result.error for result in found] == [
        "input: is empty",
        "bug: 'oh'",
        f"{tmp_path / 'disk'}: cannot be written (no space left on device)",
        "input: is empty",
    ]


def test_an_interruption_ends_it_and_the_rest_is_in_the_table(tmp_path: Path) -> None:
    found = run(tmp_path, "input", "stop", "input")
    assert [result.outcome for result in found] == [Outcome.FAILED, Outcome.INTERRUPTED, Outcome.INTERRUPTED]
    lines = [line for line, _ in table(found, [Skipped(Path("notes.txt"), "is a text file, not a video")])]
    assert lines == [
        "failed    input: is empty",
        "not done  stop",
        "not done  input",
        "skipped   notes.txt: is a text file, not a video",
        "1 failed, 2 not done, 1 skipped",
    ]


@pytest.mark.parametrize(("codes", "code"), [([], 0), ([0, 3], 3), ([3, 2, 0], 2), ([2, 1, 3], 1), ([1, 130], 130)])
def test_the_worst_exit_code(codes: list[int], code: int) -> None:
    assert worst(codes) == code


def test_nothing_is_something_to_say() -> None:
    assert list(table([], [])) == [("nothing to do", "")]
