from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from streamer.errors import InterruptedJobError
from streamer.file.job import Progress, anonymize_file
from streamer.file.report import digest
from streamer.runtime.signals import interrupts
from tests.rigs.faces import panned
from tests.rigs.faces import write as write_clip


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_forces(kind: signal.Signals) -> None:
    before = signal.getsignal(kind)
    with interrupts() as asked:
        assert not asked.is_set()
        os.kill(os.getpid(), kind)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), kind)
    assert signal.getsignal(kind) is before


@pytest.mark.slow
def test_a_job_stops_between_frames_and_leaves_nothing(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mp4", panned().pictures)
    asked = threading.Event()
    seen: list[int] = []

    def ask(progress: Progress) -> None:
        seen.append(progress.frames)
        if progress.frames == 3:
            asked.set()

    with pytest.raises(InterruptedJobError):
        anonymize_file(clip, on_progress=ask, interrupt=asked)
    assert seen[2] == 3 and len(seen) < len(panned().pictures)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_hashing_a_long_file_can_be_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"x" * 100)
    asked = threading.Event()
    assert digest(path, asked).bytes == 100
    asked.set()
    with pytest.raises(InterruptedJobError):
        digest(path, asked)
