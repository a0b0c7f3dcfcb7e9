"""The process of a step of a job: `python -m streamer.service.work.process`. It confines itself first of all."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from streamer.service.work.sandbox import SandboxError, confine
from streamer.service.work.task import LINE, Said, Task


def main() -> int:
    """Read a task from standard input, do it, and say how it went."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    task = Task.read(sys.stdin.buffer.readline(LINE))

    def say(said: Said) -> None:
        out.write(said.line())

    try:
        confine(Path(task.folder), task.file_bytes, task.address_bytes, task.parent, inputs=Path(task.inputs))
    except (SandboxError, OSError) as error:
        say(Said(failed=str(error)))
        return 1
    # Only now: importing the codecs starts threads, which would not be confined.
    from streamer.service.work.masking import perform

    say(perform(task, say, time.monotonic))
    return 0


if __name__ == "__main__":
    sys.exit(main())
