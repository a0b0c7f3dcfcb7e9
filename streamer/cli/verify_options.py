"""The command line of `veilcast verify`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeVar

from streamer.cli.file_options import PROGRESS, every_nth
from streamer.cli.options import add_config

if TYPE_CHECKING:
    from argparse import _SubParsersAction

P = TypeVar("P", bound=argparse.ArgumentParser)

EPILOG = """\
Both files may differ in codec, container, size and by a few frames; any tool's copy can be checked. False alarms are
to be expected: a detection that is no face counts, too, if two detectors agree on it. Look at what is listed.

exit codes: 0 nothing shows, 4 something shows, 2 a file cannot be read or the two cannot be compared
"""


def add_verify_parser(commands: _SubParsersAction[P]) -> None:
    """Add `verify` to the program's commands."""
    verify = commands.add_parser(
        "verify",
        help="check whether a masked file still shows faces of its original",
        description="Check whether a masked file still shows faces of its original.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("original", help="the video before it was masked")
    verify.add_argument("masked", help="the masked copy, of this program or any other")
    add_config(verify)
    verify.add_argument("--every", type=every_nth, metavar="N", help="check one of N frames (default: 5)")
    verify.add_argument("--report", metavar="FILE", help="write what was found as JSON")
    verify.add_argument(
        "--sheet",
        metavar="FILE.png",
        help="write crops of what was found; it shows the faces that were missed, so only you can read it",
    )
    verify.add_argument("--overwrite", action="store_true", help="replace the report and the sheet if they exist")
    verify.add_argument(
        "--progress", choices=PROGRESS, help="how progress is shown on stderr (default: bar on a terminal, else plain)"
    )
    verify.add_argument("--quiet", action="store_true", help="print only warnings and errors; see the exit code")
