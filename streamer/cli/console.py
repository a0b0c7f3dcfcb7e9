"""Output: messages on stderr, results on stdout."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from streamer.errors import OutputError, printable
from streamer.redact import redacted

DEBUG = "VEILCAST_DEBUG"  # environment variable: show where an unexpected error came from


class MessageConsole(Console):
    """Writes to stderr. A job goes on when the reader is gone."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        """Go quiet; rich would end the process."""
        self.quiet = True


def say(console: Console, text: str, style: str = "") -> None:
    """One line, exactly as it is: paths may hold what looks like markup, or line feeds, which are escaped."""
    with contextlib.suppress(OSError):  # a terminal that is gone is no reason to end otherwise
        console.print(Text(printable(text), style), soft_wrap=True)


def unexpected(error: Exception) -> str:
    """One line about an error that should not have been possible, without credentials."""
    said = redacted(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
    return f"this is a bug in veilcast ({said}); {DEBUG}=1 shows where: please report it with what it says"


def write_result(text: str) -> None:
    """Write text to stdout as UTF-8. If the reader is gone (`| head`), the rest is dropped.

    Raises OutputError when it cannot be written.
    """
    if sys.stdout is None:  # the program was started with it closed
        raise OutputError(Path("standard output"), "is closed")
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        raise OutputError(Path("standard output"), f"cannot be written ({error.strerror or error})") from error
