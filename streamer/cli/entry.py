"""Where the program begins: hides credentials from the process list before anything that takes time is imported."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from types import FrameType

INTERRUPTED = 130  # what shells give for Ctrl-C


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Nothing has been begun: end without a trace of where it was."""
    os.write(2, b"veilcast: interrupted; nothing was written\n")
    os._exit(INTERRUPTED)


def main() -> int:
    """Run the command line; returns the exit code."""
    signal.signal(signal.SIGINT, _end)  # until the command has a handler of its own
    # NumPy's linear algebra is not used here; its threads would begin by waiting busily for a tenth of a second.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        hide_arguments()
        from streamer.cli.main import main as run
    except KeyboardInterrupt:
        return INTERRUPTED
    code = run()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done and said: the exit code stays what it is
    return code


def hide_arguments() -> None:
    """The command line of a process is there for every user of the machine to read."""
    import setproctitle

    from streamer.redact import redacted

    words = ["veilcast", *sys.argv[1:]]
    title = redacted(" ".join(words))
    safe = [redacted(word) for word in words]
    if " ".join(safe) == title:  # no secret is spread over several words
        title = shlex.join(safe)  # so that the health check of a container can tell the words apart
    # Names of files may be any bytes, and those that are no UTF-8 are no text.
    setproctitle.setproctitle(title.encode("utf-8", "backslashreplace").decode())


if __name__ == "__main__":
    sys.exit(main())
