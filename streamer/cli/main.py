"""The command line: `veilcast file | live | serve | worker | verify | token | audit | config | demo | doctor`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console

from streamer.cli.config import add_config_parser, run_config
from streamer.cli.console import DEBUG, MessageConsole, say, unexpected
from streamer.cli.file_options import add_file_parser
from streamer.cli.live_options import add_live_parser
from streamer.cli.service.options import add_audit_parser, add_serve_parser, add_token_parser
from streamer.cli.service.worker_options import add_worker_parser
from streamer.cli.suggest import correction
from streamer.cli.verify_options import add_verify_parser
from streamer.errors import ConfigError, InterruptedJobError, JobError, printable
from streamer.redact import redacted
from streamer.runtime.signals import interrupts
from streamer.version import VERSION

INTERRUPTED = 130  # what shells give for Ctrl-C
UNEXPECTED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 output, 2 input, 3 damage, 4 a face shows, 130 Ctrl-C."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    console = MessageConsole()
    try:
        return _run(options, console)
    except JobError as error:
        for line in error.lines:
            say(console, f"veilcast: {line}", "bold red")
        return error.exit_code
    except (InterruptedJobError, KeyboardInterrupt) as error:
        # Recordings are whole up to their last fragment; a file job leaves nothing, or what it can go on from.
        left = _LEFT.get(options.command, "nothing was written")
        left = error.left if isinstance(error, InterruptedJobError) else left
        say(console, f"veilcast: interrupted; {left}", "bold red")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last net: whatever it is, it is one line for the user
        if os.environ.get(DEBUG):
            traceback.print_exc()
        say(console, f"veilcast: {unexpected(error)}", "bold red")
        return UNEXPECTED


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    commands = parser()
    if (wrong := correction(arguments)) is not None:
        commands.error(printable(wrong))
    return commands.parse_args(arguments)


_LEFT: Final = {
    "live": "recordings may lack their last second",
    "serve": "requests that had not ended were cut off",
    "worker": "steps that had not ended are done again elsewhere",
}
"""What a second Ctrl-C costs."""


def _run(options: argparse.Namespace, console: Console) -> int:
    # On SIGHUP a service reloads its settings. For everything else it means that the terminal is gone.
    with interrupts(hangup=options.command not in ("live", "serve")) as interrupt:
        # Only what this command needs is imported: a file job knows no network.
        if options.command == "file":
            from streamer.cli.file import run_file

            return run_file(options, console, interrupt)
        if options.command == "verify":
            from streamer.cli.verify import run_verify

            return run_verify(options, console, interrupt)
        if options.command == "live":
            return _live(options, interrupt)
        if options.command == "serve":
            with _extra("serve", "service"):
                from streamer.cli.service.serve import run_serve
            return run_serve(options, interrupt)
        if options.command == "worker":
            with _extra("worker", "cluster"):
                from streamer.cli.service.worker import run_worker
            return run_worker(options, interrupt)
        if options.command in ("token", "audit"):
            return _about_service(options, console)
        if options.command == "config":
            return run_config(options)
        if options.command == "demo":
            from streamer.cli.demo import run_demo

            return run_demo(Path(options.directory), console, interrupt)
    from streamer.cli.doctor import run_doctor

    return run_doctor(Console())


def _live(options: argparse.Namespace, interrupt: threading.Event) -> int:
    with _extra("live", "live"):
        from streamer.cli.live import run_live
    return run_live(options, interrupt)


def _about_service(options: argparse.Namespace, console: Console) -> int:
    with _extra(options.command, "service"):
        from streamer.cli.service.audit import run_audit
        from streamer.cli.service.token import run_token
    return run_token(options, console) if options.command == "token" else run_audit(options, console)


@contextlib.contextmanager
def _extra(command: str, extra: str) -> Iterator[None]:
    """Around imports that need an extra. Raises ConfigError, which says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing in ("", "core", "streamer", "configs"):
            raise  # of the program itself: a bug
        install = f"{missing} is not installed; install it with: pip install 'veilcast[{extra}]'"
        raise ConfigError(Path(command), install) from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with the message and exit code 2; what was typed may hold a password."""
        super().error(redacted(message))


def parser() -> argparse.ArgumentParser:
    """Of everything that can be typed behind `veilcast`."""
    top = _Parser(prog="veilcast", description="The same video with nobody's face in it. Works offline, on a CPU.")
    top.add_argument("--version", action="version", version=f"veilcast {VERSION}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_file_parser(commands)
    add_live_parser(commands)
    add_verify_parser(commands)
    add_serve_parser(commands)
    add_worker_parser(commands)
    add_token_parser(commands)
    add_audit_parser(commands)
    add_config_parser(commands)
    about_demo = "mask a moving picture of a face that comes with the program"
    demo = commands.add_parser("demo", help=about_demo, description=about_demo)
    demo.add_argument("directory", nargs="?", default="demo", help="where to leave the results (default: demo)")
    about_doctor = "check versions, weights, encoders and the speed of detection"
    commands.add_parser("doctor", help=about_doctor, description=about_doctor)
    return top


if __name__ == "__main__":
    sys.exit(main())
