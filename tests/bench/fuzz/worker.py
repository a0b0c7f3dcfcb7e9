"""A warm process that does one job after the other, so that imports are paid for once: `python -m ... program|judge`.

Jobs come as lines of JSON on stdin, answers go out as lines of JSON on what was stdout. A crash ends it: whoever
started it sees that and starts another.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any


def run_program(job: dict[str, Any]) -> dict[str, Any]:
    """`veilcast file INPUT OUTPUT` as from the shell; what it says goes to the job's log."""
    from streamer.cli.entry import main

    said, standard_error = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), os.dup(2)
    os.dup2(said, 2)
    os.close(said)
    before = threading.active_count()
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts from here
    sys.argv = ["veilcast", "file", job["input"], job["output"]]
    begun = time.monotonic()
    try:
        code = main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter would
        sys.excepthook(*sys.exc_info())
        code = 1
    took = time.monotonic() - begun
    sys.stderr.flush()
    os.dup2(standard_error, 2)
    os.close(standard_error)
    return {
        "code": code,
        "seconds": round(took, 3),
        "peak_mb": round(_peak()),
        "threads": threading.active_count() - before,
    }


def _peak() -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def run_judge(job: dict[str, Any]) -> dict[str, Any]:
    """What an independent reader finds in the damaged file, and in the copy if there is one."""
    from tests.bench.fuzz.looking import shown_faces
    from tests.bench.fuzz.reading import read
    from tests.bench.fuzz.seeds import pictures

    source = read(Path(job["input"]))
    more = read(Path(job["input"]), corrupt_too=True)
    answer: dict[str, Any] = {
        "packets": source.packets,
        "frames": source.count,
        "frames_with_corrupt": more.count,
        "damaged": source.damaged,
    }
    if job["output"] is not None:
        copy = read(Path(job["output"]))
        answer |= {"copy_packets": copy.packets, "copy_frames": copy.count, "copy_damaged": copy.damaged}
        # Some looks at what any player shows, some at what is only shown by those that conceal nothing.
        chance = Random(job["index"])
        answer["faces"] = shown_faces(source, copy, pictures(job["scene"]), chance)
        if more.count != source.count:
            answer["faces"] += shown_faces(more, copy, [], chance)
        answer["looked"] = source.complete and copy.complete and bool(source.pictures)
    return answer


def main() -> None:
    """Do jobs until stdin ends."""
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print is no answer
    work: Callable[[dict[str, Any]], dict[str, Any]] = {"program": run_program, "judge": run_judge}[sys.argv[1]]
    for line in sys.stdin:
        answers.write(json.dumps(work(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
