"""The command lines of `veilcast token` and `veilcast audit`; imports nothing of the service."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from streamer.cli.live_options import rtsp_login_in
from streamer.cli.options import SettingOption, add_config, number, overrides, presets_help
from streamer.settings.loading import load
from streamer.settings.overlay import Override, overlaid, secret_variable
from streamer.settings.service import ServeSettings

if TYPE_CHECKING:
    from argparse import _SubParsersAction

P = TypeVar("P", bound=argparse.ArgumentParser)

ROLES: Final = ("submit", "view", "operate", "audit", "admin")
"""As `access.caller.Role` has them."""

TOKEN_EPILOG: Final = """\
roles: submit (pictures, uploads, own jobs and their results), view (watch cameras), operate (see and cancel the jobs
of all, never what is in them; metrics), audit (read the audit log), admin (all of these, and tokens)

  veilcast token create newsroom --role submit --max-jobs 5      prints the token, this once
  veilcast token list
  veilcast token revoke ID
"""
AUDIT_EPILOG: Final = """\
  veilcast audit verify --checkpoint FOLDER --key NAME+ID+KEY    is the log whole, and the one that was signed for?
  veilcast audit verify --file masked.mp4                        when, how and from what was this file made?
  veilcast audit show --limit 20
  veilcast audit key                                             keep this elsewhere: it checks checkpoints

exit codes: 0 the log holds and has every file; 4 something was changed, lost or cut off, a checkpoint does not fit, or
no entry tells of a file; 2 something cannot be read
"""
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


SERVE_EPILOG: Final = """\
Open to everybody at this machine until the first token is made. On any other address clients need a token: see
`veilcast token`, or set VEILCAST_TOKEN to a secret of 16 characters or more, which then is an admin's token.
VEILCAST_DATABASE, VEILCAST_BLOBS and VEILCAST_BROKER stand for --database, --blobs and --broker, AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY lead to S3; with _FILE behind its name, a variable names a file that holds
the secret. VEILCAST_RTSP_USER and VEILCAST_RTSP_PASSWORD are asked of RTSP clients of cameras. SIGHUP reloads the
cameras' masks and zones from --config.

"""

VARIABLES: Final = {
    "VEILCAST_DATABASE": ("service", "database"),
    "VEILCAST_BLOBS": ("service", "blobs"),
    "VEILCAST_BROKER": ("service", "broker"),
}
"""Variables that set one setting each; with _FILE behind the name, they name a file that says it."""

_HOURS: Final = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0}


def hours(text: str) -> float:
    """A time as hours: 90s, 30m, 24h, 7d."""
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhd])", text, re.ASCII)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30m, 24h or 7d")
    return float(match[1]) * _HOURS[match[2]]


SHARED: Final = (
    SettingOption(
        "--database", "service.database", "PostgreSQL that several servers share: postgresql://...", metavar="URL"
    ),
    SettingOption("--blobs", "service.blobs", "where files go: s3://BUCKET/PREFIX, or a folder", metavar="URL|DIR"),
    SettingOption(
        "--broker", "service.broker", "Redis that tells workers elsewhere what to do: redis://HOST/0", metavar="URL"
    ),
    SettingOption(
        "--keep",
        "service.keep_hours",
        "delete results after this time: 30m, 24h, 7d",
        read=hours,
        default="24h",
        metavar="TIME",
    ),
)
"""Options that set one setting each, of `veilcast serve` and `veilcast worker`."""

SERVE: Final = (
    SettingOption("--listen", "service.listen", "where to serve", metavar="[HOST:]PORT"),
    SettingOption("--data", "service.data", "folder for all that is kept", metavar="DIR"),
    *SHARED,
    SettingOption("--workers", "service.workers", "jobs at a time; none with --broker", read=int, metavar="N"),
    SettingOption(
        "--grace",
        "service.grace",
        "time that requests have to end after SIGTERM",
        read=number(0, 86_400),
        metavar="SECONDS",
    ),
    SettingOption(
        "--checkpoints", "service.checkpoints", "folder for checkpoints of the audit log; it must exist", metavar="DIR"
    ),
)
"""Options of `veilcast serve` that set one setting each."""


def add_serve_parser(commands: _SubParsersAction[P]) -> None:
    """Add `serve` to the program's commands."""
    serve = commands.add_parser(
        "serve",
        help="a web page and an HTTP API that mask pictures and videos",
        description="Serve a web page and an HTTP API that mask pictures and videos.",
        epilog=SERVE_EPILOG + presets_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(serve)
    for option in SERVE:
        option.add_to(serve, ServeSettings)
    serve.add_argument("--migrate-only", action="store_true", help="bring the database to this version, and end")
    serve.add_argument("--insecure", action="store_true", help="let everybody in who can reach the address")
    serve.add_argument("--duration", type=number(0.1, 1e9), metavar="SECONDS", help="stop after this time")


def serve_settings(options: argparse.Namespace, environment: Mapping[str, str]) -> ServeSettings:
    """The preset or file with what was said on the command line and in the environment on top. Raises ConfigError.

    VEILCAST_TOKEN is no setting here: it is a token of the service itself.
    """
    said = [*kept_in(environment), *overrides(options, SERVE), *rtsp_login_in(environment)]
    return overlaid(load(options.config, ServeSettings), said)


def kept_in(environment: Mapping[str, str]) -> list[Override]:
    """The database and the place of files that the environment names. Raises ConfigError for files of secrets."""
    said = {name: secret_variable(name, environment) for name in VARIABLES}
    return [Override(VARIABLES[name], value, name) for name, value in said.items() if value is not None]


def database_address(options: argparse.Namespace, environment: Mapping[str, str]) -> str | None:
    """The database that `--database` or the environment names, unless `--data` names a folder. Raises ConfigError."""
    if options.database is not None or options.data is not None:
        return None if options.database is None else str(options.database)
    return secret_variable("VEILCAST_DATABASE", environment)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add `--data` and `--database`."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data", metavar="DIR", help="the service's data folder (default: veilcast-data)")
    where.add_argument("--database", metavar="URL", help="the database that servers share (or VEILCAST_DATABASE)")


def add_token_parser(commands: _SubParsersAction[P]) -> None:
    """Add `token` to the program's commands."""
    token = commands.add_parser(
        "token",
        help="make, list and revoke the tokens that let clients into the service",
        description="Make, list and revoke the tokens that let clients into the service.",
        epilog=TOKEN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = token.add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "make a token and print it, this once"
    create = actions.add_parser("create", help=about, description=about)
    create.add_argument("label", help="what it is for, as it is listed")
    create.add_argument(
        "--role", action="append", required=True, choices=ROLES, help="what it allows; may be given several times"
    )
    create.add_argument("--max-jobs", type=count, metavar="N", help="jobs queued or running at a time")
    create.add_argument("--max-bytes", type=byte_count, metavar="N", help="bytes kept at a time: 500M, 20G")
    create.add_argument("--requests-per-minute", type=count, metavar="N", help="requests a minute")
    add_data(create)
    about = "list all tokens, without their secrets"
    listed = actions.add_parser("list", help=about, description=about)
    listed.add_argument("--json", action="store_true", help="as JSON")
    add_data(listed)
    about = "end a token for ever, and the sessions of browsers that use it"
    revoke = actions.add_parser("revoke", help=about, description=about)
    revoke.add_argument("id", help="as `veilcast token list` shows it")
    add_data(revoke)


def add_audit_parser(commands: _SubParsersAction[P]) -> None:
    """Add `audit` to the program's commands."""
    audit = commands.add_parser(
        "audit",
        help="check and read the service's audit log",
        description="Check and read the service's audit log.",
        epilog=AUDIT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = audit.add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "find what was changed in the log, taken out, or cut off"
    verify = actions.add_parser("verify", help=about, description=about)
    verify.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="a checkpoint, or a folder of them; may be given several times",
    )
    verify.add_argument(
        "--key", metavar="NAME+ID+KEY", help="what signed them (default: the key in the data folder, which may be new)"
    )
    verify.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="FILE",
        help="a masked file: say when, how and from what it was made; may be given several times",
    )
    add_data(verify)
    about = "print the newest entries, oldest first"
    show = actions.add_parser("show", help=about, description=about)
    show.add_argument("--limit", type=count, default=50, metavar="N", help="how many (default: 50)")
    show.add_argument("--json", action="store_true", help="as they are kept: a line of canonical JSON each")
    add_data(show)
    about = "print the public key that checks the log's checkpoints"
    add_data(actions.add_parser("key", help=about, description=about))


def count(text: str) -> int:
    """A whole number from 1 to 2**31 - 1."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) < 2**31):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def byte_count(text: str) -> int:
    """Bytes, with or without a unit: 1000, 500M, 20G."""
    match = re.fullmatch(r"([1-9][0-9]{0,14})([KMGT]?)B?", text, re.ASCII | re.IGNORECASE)
    value = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if not 1 <= value < 2**62:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes such as 500M or 20G")
    return value
