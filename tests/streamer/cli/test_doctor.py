from __future__ import annotations

import os
import subprocess
import sys

import pytest

from streamer.runtime.native_stderr import without_chatter


@pytest.mark.slow
def test_the_doctor_says_nothing_but_its_own() -> None:
    command = [sys.executable, "-m", "streamer.cli.entry", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "everything is there" in done.stdout
    assert "confinement" in done.stdout and "mediapipe-short" in done.stdout and done.stderr == ""


def test_what_is_no_chatter_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    lines = (
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "W0000 00:00:1795517540.828994   32591 inference_feedback_manager.cc:114] Feedback manager requires a model",
        "E0000 00:00:1795517540.828994   32591 graph.cc:1] broken",
        "WARNING: ours",
        "INFO: ours",
    )
    with pytest.raises(RuntimeError), without_chatter():
        os.write(2, "\n".join([*lines, ""]).encode())
        raise RuntimeError
    os.write(2, b"after\n")
    assert capfd.readouterr().err.splitlines() == [*lines[3:], "after"]
