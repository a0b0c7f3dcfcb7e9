"""Where the program begins: hides credentials from the process list before anything that takes time is imported."""

from __future__ import annotations

import os
import sys

import setproctitle

from streamer.live.redact import redacted


def main() -> int:
    """Run the command line; returns the exit code."""
    # The command line of a process is there for every user of the machine to read.
    setproctitle.setproctitle(redacted(" ".join(["veilcast", *sys.argv[1:]])))
    # NumPy's linear algebra is not used here; its threads would begin by waiting busily for a tenth of a second.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from streamer.cli import main as run
    except KeyboardInterrupt:
        return 130  # interrupted while it was still being loaded
    return run()


if __name__ == "__main__":
    sys.exit(main())
