"""`veilcast doctor` as a user runs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streamer.native_noise import native_noise_held_back

WAIT = 120.0
SAY = "import os; os.write(2, b'noise of a library'); "


def test_it_says_what_it_found_and_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streamer.entry", "doctor"], capture_output=True, text=True, timeout=WAIT, check=False
    )
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("veilcast ") and "everything is there" in done.stdout
    assert all(name in done.stdout for name in ("detector yunet", "detector mediapipe", "detector mediapipe-short"))


def test_noise_is_dropped_and_stderr_is_there_again(capfd: pytest.CaptureFixture[str]) -> None:
    with native_noise_held_back():
        subprocess.run([sys.executable, "-c", SAY], check=True, timeout=WAIT)
    sys.stderr.write("after\n")
    assert capfd.readouterr().err == "after\n"


def test_what_was_said_before_a_failure_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="x"), native_noise_held_back():
        subprocess.run([sys.executable, "-c", SAY], check=True, timeout=WAIT)
        raise ValueError("x")
    assert capfd.readouterr().err == "noise of a library"


def test_without_a_stderr_nothing_breaks() -> None:
    code = "import os\nfrom streamer.native_noise import native_noise_held_back\nos.close(2)\n"
    code += "with native_noise_held_back():\n    pass\nos.write(1, b'on')"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=WAIT, check=True)
    assert done.stdout == b"on"
