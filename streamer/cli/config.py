"""`veilcast config`: settings shown, checked and described."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from streamer.cli.console import write_result
from streamer.cli.live_options import in_environment, rtsp_login_in
from streamer.cli.options import add_config, presets_help
from streamer.errors import ConfigError, printable
from streamer.settings.file import Settings
from streamer.settings.live import LiveSettings
from streamer.settings.loading import load, read, settings_in
from streamer.settings.overlay import overlaid
from streamer.settings.service import ServeSettings
from streamer.settings.shown import as_schema, as_yaml

if TYPE_CHECKING:
    from argparse import _SubParsersAction

P = TypeVar("P", bound=argparse.ArgumentParser)

CHECK_FAILED = 2
_KINDS: Mapping[str, type[Settings]] = {"file": Settings, "live": LiveSettings, "serve": ServeSettings}


def add_config_parser(commands: _SubParsersAction[P]) -> None:
    """Add `config` to the program's commands."""
    about = "show, check and describe settings"
    config = commands.add_parser("config", help=about, description="Show, check and describe settings.")
    actions = config.add_subparsers(dest="action", required=True, metavar="show | check | schema")
    show = actions.add_parser(
        "show",
        help="print the effective settings as YAML",
        description="Print the effective settings as YAML, defaults included; secrets are hidden.",
        epilog=presets_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(show)
    of = show.add_mutually_exclusive_group()
    of.add_argument("--live", action="store_true", help="settings of veilcast live, with those from the environment")
    of.add_argument("--serve", action="store_true", help="settings of veilcast serve, likewise")
    check = actions.add_parser(
        "check",
        help="check settings files",
        description="Check YAML files and print a line for each problem: file, line, key and what is wrong. A file with"
        " a `service` section is checked for veilcast serve, one with a `live` section for veilcast live, any other for"
        " veilcast file. Exits with 0 or 2.",
    )
    check.add_argument("files", nargs="+", metavar="FILE", help="YAML file (or a preset's name)")
    schema = actions.add_parser(
        "schema",
        help="print a JSON schema of settings files",
        description="Print a JSON schema of settings files, for editors and other tools.",
    )
    of = schema.add_mutually_exclusive_group()
    of.add_argument("--live", action="store_true", help="settings of veilcast live")
    of.add_argument("--serve", action="store_true", help="settings of veilcast serve")


def run_config(options: argparse.Namespace) -> int:
    """Run the action; returns the exit code. Raises ConfigError, OutputError."""
    named = next((name for name in ("serve", "live") if getattr(options, name, False)), "file")
    match options.action:
        case "show":
            said = in_environment(os.environ) if options.live else rtsp_login_in(os.environ) if options.serve else []
            settings = load(options.config, _KINDS[named])
            write_result(as_yaml(overlaid(settings, said) if said else settings))
        case "schema":
            write_result(as_schema(_KINDS[named]))
        case "check":
            right = [_check(name) for name in options.files]
            return 0 if all(right) else CHECK_FAILED
    return 0


def _check(name: str) -> bool:
    """Print the problems of one file; returns whether there are none."""
    try:
        document = read(name)
        sections = document.data if isinstance(document.data, dict) else {}
        command = "serve" if "service" in sections else "live" if "live" in sections else "file"
        settings_in(document, Path(name), _KINDS[command])
    except ConfigError as error:
        write_result("".join(f"{printable(line)}\n" for line in error.lines))
        return False
    write_result(f"{printable(name)}: no problems (veilcast {command})\n")
    return True
