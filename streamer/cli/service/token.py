"""`veilcast token`: makes, lists and revokes tokens in a data folder, whether or not a service is running."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from streamer.cli.console import say, write_result
from streamer.cli.service.opening import opened_data
from streamer.errors import ConfigError
from streamer.service.access.caller import Role
from streamer.service.access.tokens import TokenError, TokenInfo, TokenLimits, TokenMissingError, Tokens


def run_token(options: argparse.Namespace, console: Console) -> int:
    """One action; returns the exit code. Raises JobError."""
    with opened_data(options, create=options.action == "create") as opened:
        tokens = Tokens(opened.database)
        if options.action == "create":
            limits = TokenLimits(options.max_jobs, options.max_bytes, options.requests_per_minute)
            try:
                made, secret = tokens.create(options.label, map(Role, options.role), limits)
            except TokenError as error:
                raise ConfigError(Path("token"), str(error)) from error
            write_result(f"{secret}\n")
            say(console, f"this is the only time that the token is shown; its id is {made}", "yellow")
        elif options.action == "revoke":
            try:
                tokens.revoke(options.id)
            except TokenMissingError as error:
                raise ConfigError(Path("token"), f"{error}: {options.id}") from error
            say(console, f"{options.id} is revoked", "green")
        else:
            found = tokens.list()
            write_result(_as_json(found) if options.json else "".join(f"{line}\n" for line in _listed(found)))
    return 0


def moment(seconds: float) -> str:
    """UTC, to the second, as RFC 3339 has it; the number itself if it is no date, as in a log that was forged."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _listed(tokens: list[TokenInfo]) -> list[str]:
    return [
        f"{token.id}  {moment(token.created)}  {'valid' if token.revoked is None else 'revoked':7}  "
        f"{','.join(sorted(token.roles))}  {token.label}"
        for token in tokens
    ]


def _as_json(tokens: list[TokenInfo]) -> str:
    said = [
        {
            "id": token.id,
            "label": token.label,
            "roles": sorted(token.roles),
            "created": moment(token.created),
            "revoked": None if token.revoked is None else moment(token.revoked),
            "max_jobs": token.limits.max_jobs,
            "max_bytes": token.limits.max_bytes,
            "requests_per_minute": token.limits.requests_per_minute,
        }
        for token in tokens
    ]
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"
