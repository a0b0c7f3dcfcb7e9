"""The process of one job: `python -m streamer.service.work.process`. It confines itself before it opens the file."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from streamer.service.work.sandbox import SandboxError, confine
from streamer.service.work.task import LINE, MASKS, REPORT, RESULT, Said, Task


def main() -> int:
    """Read a task from standard input, do it, and say how it went."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    task = Task.read(sys.stdin.buffer.readline(LINE))
    folder = Path(task.folder)

    def say(said: Said) -> None:
        out.write(said.line())

    try:
        confine(folder, task.file_bytes, task.address_bytes, task.parent)
    except (SandboxError, OSError) as error:
        say(Said(failed=str(error)))
        return 1
    # Only now: importing the codecs starts threads, which would not be confined.
    from streamer.service.work.masking import mask

    say(mask(task, folder / "original", folder / RESULT, folder / REPORT, folder / MASKS, say, time.monotonic))
    return 0


if __name__ == "__main__":
    sys.exit(main())
