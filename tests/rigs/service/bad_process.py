"""A job's process that has been taken over, or breaks down: what it does is what its original says."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from streamer.service.work.task import Said, Task


def main() -> None:
    task = Task.read(sys.stdin.buffer.readline())
    folder = Path(task.folder)
    deed, _, argument = (folder / "original").read_text().partition(" ")

    def say(said: Said) -> None:
        os.write(1, said.line())

    if deed == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif deed == "hang":
        say(Said(progress=0.25, seconds_left=9.0))
        Path(argument).write_text(str(os.getpid()))
        time.sleep(600)
    elif deed == "hog":
        held = bytearray(os.urandom(1) * (300 << 20))
        time.sleep(600 + len(held))
    elif deed == "babble":
        os.write(1, b'{"suffix": 7}\n')
    elif deed == "link":
        (folder / "masked.mp4").symlink_to(argument)
    elif deed == "second-name":
        (folder / "masked.mp4").hardlink_to(argument)
    elif deed == "full":
        say(Said(failed="the disk is full", blame="disk"))
    elif deed == "well":
        (folder / "masked.mp4").write_text(argument)
    if deed in ("link", "second-name", "well", "nothing"):
        say(Said(progress=1.0, suffix=".mp4"))


if __name__ == "__main__":
    main()
