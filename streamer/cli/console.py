"""What is said to the user: messages on stderr, results on stdout."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from streamer.errors import OutputError, printable


class MessageConsole(Console):
    """On stderr; a job goes on when nobody reads it any more."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        """Whoever read what is said has gone: that is no reason to end the job, as rich would have it."""
        self.quiet = True


def say(console: Console, text: str, style: str = "") -> None:
    """One line, exactly as it is: paths may hold what looks like markup, or line feeds, which are escaped."""
    with contextlib.suppress(OSError):  # a terminal that is gone is no reason to end otherwise
        console.print(Text(printable(text), style), soft_wrap=True)


def write_result(text: str) -> None:
    """Write text to stdout as it is. A reader that has gone (`| head`) has seen enough.

    Raises OutputError when it cannot be written.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is still buffered would fail again when the program ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise OutputError(Path("standard output"), f"cannot be written ({error.strerror or error})") from error
