"""A job's process that has been taken over, or breaks down: what it does is what its original says."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from streamer.service.work.sandbox import die_with
from streamer.service.work.task import Said, Task


def plan(ends: list[int]) -> str:
    """A plan whose units end there."""
    begins: list[int | None] = [0, *ends]
    units = [
        {
            "number": number,
            "begin": begin,
            "end": end,
            "look_from": begin,
            "look_until": end,
            "entry": {"pts": 0, "dts": None, "size": 1},
            "start": {"pts": 0, "dts": None, "size": 1},
            "copy": False,
            "frames": 10,
            "times": "",
        }
        for number, (begin, end) in enumerate(zip(begins, [*ends, None], strict=True))
    ]
    return json.dumps({"units": units, "whole_because": None})


def cut(task: Task, deed: str, say: Callable[[Said], None]) -> None:
    """Each step adds what it was given; `deed` may be that one goes wrong."""
    folder = Path(task.folder)
    if task.step == "whole":
        if not task.may_cut:
            (folder / "masked.mp4").write_text("whole")
            say(Said(suffix=".mp4"))
            return
        text = plan([100, 90]) if deed == "badly" else "[" * 90_000 if deed == "deeply" else plan([100, 200])
        (folder / "plan.json").write_text(text)
        say(Said(left="plan"))
    elif deed == task.step:
        say(Said(failed="they do not fit", blame="cut"))
    elif task.step == "unit":
        number = json.loads(task.span or "")["number"]
        if deed == "poison" and number == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if deed.startswith("hang") and number == 1:
            Path(deed.partition(" ")[2]).write_text(str(os.getpid()))
            time.sleep(600)
        (folder / "unit").write_text(f"unit {number}; ")
        say(Said(left="unit"))
    else:
        (folder / "masked.mp4").write_bytes(b"".join(task.unit(number).read_bytes() for number in range(task.units)))
        say(Said(suffix=".mp4"))


def main() -> None:
    task = Task.read(sys.stdin.buffer.readline())
    die_with(task.parent)
    folder = Path(task.folder)
    deed, _, argument = (Path(task.inputs) / "original").read_text().partition(" ")

    def say(said: Said) -> None:
        os.write(1, said.line())

    if deed == "cut":
        cut(task, argument, say)
        return
    if deed == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif deed == "hang":
        say(Said(progress=0.25, seconds_left=9.0))
        Path(argument).write_text(str(os.getpid()))
        time.sleep(600)
    elif deed == "once":  # hangs the first time
        if not Path(argument).exists():
            Path(argument).write_text(str(os.getpid()))
            time.sleep(600)
        (folder / "masked.mp4").write_text("the second time")
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
    if deed in ("link", "second-name", "well", "nothing", "once"):
        say(Said(progress=1.0, suffix=".mp4"))


if __name__ == "__main__":
    main()
