"""The command line of `veilcast worker`; imports nothing of the service."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from streamer.cli.options import SettingOption, add_config, number, overrides, presets_help
from streamer.cli.service.options import SHARED, kept_in
from streamer.settings.loading import load
from streamer.settings.overlay import overlaid
from streamer.settings.service import ServeSettings

if TYPE_CHECKING:
    from argparse import _SubParsersAction

P = TypeVar("P", bound=argparse.ArgumentParser)

EPILOG: Final = """\
Does jobs for servers that share a database, files and Redis with it: see docs/service.md. VEILCAST_DATABASE,
VEILCAST_BLOBS and VEILCAST_BROKER stand for the options of that name; with _FILE behind it, a variable names a file
that holds the secret. On SIGTERM it begins no more steps, gives those that run time to end, then gives them back; a
second SIGTERM gives them back at once.

"""
GRACE: Final = 60.0
PICTURES: Final = 1

WORKER: Final = (
    SettingOption("--data", "service.data", "folder for files that are being worked on", metavar="DIR"),
    *SHARED,
    SettingOption("--concurrency", "service.workers", "steps of jobs at a time", read=int, metavar="N"),
)
"""Options of `veilcast worker` that set one setting each."""


def add_worker_parser(commands: _SubParsersAction[P]) -> None:
    """Add `worker` to the program's commands."""
    worker = commands.add_parser(
        "worker",
        help="do jobs of servers on other machines",
        description="Do jobs of `veilcast serve --broker` on other machines.",
        epilog=EPILOG + presets_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(worker)
    for option in WORKER:
        option.add_to(worker, ServeSettings)
    worker.add_argument(
        "--pictures",
        type=_count,
        default=PICTURES,
        metavar="N",
        help=f"pictures at a time, for servers that have no process free (default: {PICTURES})",
    )
    worker.add_argument(
        "--grace",
        type=number(0, 86_400),
        default=GRACE,
        metavar="SECONDS",
        help=f"time that steps have to end after SIGTERM (default: {GRACE:g})",
    )


def worker_settings(options: argparse.Namespace, environment: Mapping[str, str]) -> ServeSettings:
    """The preset or file with what was said on the command line and in the environment on top. Raises ConfigError."""
    return overlaid(load(options.config, ServeSettings), [*kept_in(environment), *overrides(options, WORKER)])


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 256):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 256")
    return int(text)
