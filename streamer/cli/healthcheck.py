"""For containers: exits with 0 if what runs in this one is healthy, else with 1 and a line that says why.

`python -m streamer.cli.healthcheck [URL]`; the default is /healthz of the service that process 1 is, at the address
that its settings name.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from streamer.cli.live_options import live_settings
from streamer.cli.main import parser
from streamer.cli.service.options import serve_settings
from streamer.errors import ConfigError
from streamer.settings.listen import parse_listen

_EVERYWHERE = ("0.0.0.0", "::")
_PROGRAM = "veilcast"


class UnknownServiceError(Exception):
    """It is unclear what runs here; the message says why in one line."""


def words_of(command_line: bytes) -> list[str]:
    """What was typed behind `veilcast`, from /proc/PID/cmdline: as it was started, or as `entry.py` hides credentials.

    Raises UnknownServiceError where it is the command line of something else.
    """
    words = os.fsdecode(command_line.rstrip(b"\0")).split("\0")
    try:
        if len(words) == 1:
            words = shlex.split(words[0])
    except ValueError:
        raise UnknownServiceError("the command line of process 1 cannot be read") from None
    # An init process (docker run --init) and Python come before it.
    for index, word in enumerate(words):
        if Path(word).name == _PROGRAM:
            return words[index + 1 :]
    raise UnknownServiceError(f"process 1 is not {_PROGRAM}; give the address to ask")


def address(command_line: bytes, environment: Mapping[str, str]) -> str | None:
    """Where /healthz of the service with this command line is; None for one without a web port, or another command.

    Raises UnknownServiceError if that is unclear, ConfigError when the settings cannot be read.
    """
    options = _options(words_of(command_line))
    web = None
    if options.command == "live":
        web = live_settings(options, environment).live.webrtc
    elif options.command == "serve":
        web = serve_settings(options, environment).service.listen
    if web is None:
        return None
    listen = parse_listen(web)
    if not listen.port:
        raise UnknownServiceError("the web port is any that was free; give the address to ask")
    host = "127.0.0.1" if listen.host in _EVERYWHERE else listen.host
    return f"http://{f'[{host}]' if ':' in host else host}:{listen.port}/healthz"


def _options(words: list[str]) -> argparse.Namespace:
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            return parser().parse_args(words)
    except SystemExit:
        raise UnknownServiceError("the command line of process 1 cannot be read") from None


def main(arguments: list[str], process: Path = Path("/proc/1")) -> int:
    """0 healthy, 1 not. A file job, or a service without a web port, is healthy as long as it runs."""
    try:
        # Process 1 of a container is what it was started for.
        url = arguments[0] if arguments else address((process / "cmdline").read_bytes(), os.environ)
        if url is None:
            return 0
        with urlopen(url, timeout=3) as answer:
            if answer.status == 200:
                return 0
            cause = f"{url} says {answer.status}"
    except (UnknownServiceError, ConfigError) as error:
        cause = str(error)
    except (URLError, OSError, ValueError) as error:
        cause = f"{arguments[0] if arguments else 'the service'} cannot be asked ({error})"
    sys.stderr.write(f"unhealthy: {cause}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
