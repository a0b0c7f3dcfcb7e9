from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.live.recording.retention import StoredFile, expired

NOW = 1_000_000.0
FILES = [StoredFile(f"{n}.mp4", 100, NOW - 10 * (5 - n)) for n in (3, 1, 5, 2, 4)]  # 1.mp4 is the oldest, 40 s ago


@pytest.mark.parametrize(
    ("writing", "seconds", "size", "gone"),
    [
        (None, None, None, []),
        (None, 25.0, None, ["1.mp4", "2.mp4"]),
        (None, 40.0, None, ["1.mp4"][:0]),
        (None, None, 300, ["1.mp4", "2.mp4"]),
        (None, None, 299, ["1.mp4", "2.mp4", "3.mp4"]),
        (None, 35.0, 300, ["1.mp4", "2.mp4"]),
        ("1.mp4", 25.0, None, ["2.mp4"]),
        ("1.mp4", None, 300, ["2.mp4", "3.mp4"]),
        ("5.mp4", None, 1, ["1.mp4", "2.mp4", "3.mp4", "4.mp4"]),
    ],
)
def test_the_oldest_go_first(writing: str | None, seconds: float | None, size: int | None, gone: list[str]) -> None:
    assert expired(FILES, writing, NOW, seconds, size) == gone


def test_a_file_from_a_clock_far_ahead_does_not_outlive_the_others() -> None:
    future = StoredFile("2038.mp4", 100, NOW + 10 * 365 * 86_400)
    assert expired([*FILES, future], None, NOW, keep_bytes=500) == ["2038.mp4"]


def test_a_clock_set_back_a_little_keeps_the_order() -> None:
    ahead = StoredFile("6.mp4", 100, NOW + 3600)
    assert expired([*FILES, ahead], None, NOW, keep_bytes=500) == ["1.mp4"]


stored = st.builds(StoredFile, st.text(min_size=1, max_size=3), st.integers(0, 1000), st.floats(0, 2 * NOW))


@pytest.mark.slow
@given(st.lists(stored, unique_by=lambda file: file.name), st.floats(0, NOW), st.integers(0, 5000))
def test_the_remaining_files_are_within_both_limits(files: list[StoredFile], seconds: float, size: int) -> None:
    gone = set(expired(files, None, NOW, seconds, size))
    left = [file for file in files if file.name not in gone]
    assert sum(file.size for file in left) <= size
    assert all(NOW - file.modified <= seconds for file in left)
    # And no file goes without need.
    writing = files[0].name if files else None
    assert writing not in expired(files, writing, NOW, seconds, size)
    assert expired(files, None, NOW, None, sum(file.size for file in files)) == []
