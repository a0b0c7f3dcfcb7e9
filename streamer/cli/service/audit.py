"""`veilcast audit`: checks the audit log in a data folder, prints it, and says where a masked file came from."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console

from streamer.cli.console import say, write_result
from streamer.cli.service.opening import OpenedData, opened_data
from streamer.cli.service.token import moment
from streamer.errors import ConfigError, InputError, printable
from streamer.service.audit.checkpoint import Checkpoint, CheckpointError, checkpoint_files, opened_note
from streamer.service.audit.keys import AuditKey, KeyTextError, PublicKey
from streamer.service.audit.reading import newest_entries
from streamer.service.audit.verification import Publication, publications, verify_log

DOES_NOT_HOLD: Final = 4
_MOST_LINES: Final = 100


def run_audit(options: argparse.Namespace, console: Console) -> int:
    """One action; returns the exit code. Raises JobError."""
    with opened_data(options, create=False) as opened:
        if options.action == "verify":
            return _verify(options, opened, console)
        if options.action == "key":
            key = AuditKey.of(opened.database, opened.audit_key, create=opened.audit_key is not None)
            write_result(f"{key.public}\n")
            return 0
        entries = reversed(newest_entries(opened.database, options.limit))
        write_result("".join(f"{each.text if options.json else _shown(each.text)}\n" for each in entries))
    return 0


def _verify(options: argparse.Namespace, opened: OpenedData, console: Console) -> int:
    hashes = {path: _sha256(path) for path in map(Path, options.file)}
    notes = list(_notes(map(Path, options.checkpoint)))
    lines: list[str] = []
    checkpoints: list[Checkpoint] = []
    if notes:
        key = _key(options.key, opened)
        for path, note in notes:
            try:
                checkpoints.append(opened_note(note, key))
            except CheckpointError as error:
                lines.append(f"{path}: {error}")
    verdict = verify_log(opened.database, checkpoints)
    lines += [finding.text for finding in verdict.findings]
    told = {path: publications(opened.database, digest) for path, digest in hashes.items()}
    lines += [
        f"{path}: no entry tells of this file, sha256 {hashes[path]}" for path, found in told.items() if not found
    ]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more"]
    # What is wrong comes first: whoever reads what a forged entry says of a file should know that it is one.
    write_result("".join(f"{printable(line)}\n" for line in lines))
    for path, found in told.items():
        write_result("".join(f"{printable(f'{path}: {_published(each)}')}\n" for each in found))
    entries = f"{verdict.entries} {'entry' if verdict.entries == 1 else 'entries'}"
    fitting = f"{len(checkpoints)} {'checkpoint fits' if len(checkpoints) == 1 else 'checkpoints fit'}"
    if not notes:
        say(console, "warning: without a checkpoint, nobody can tell a log that was cut off or rewritten", "yellow")
    if verdict.holds and not lines:
        say(console, f"the log holds: {entries}, {fitting}; the last hash is {verdict.head}", "green")
        return 0
    say(console, f"{entries}: {'see above' if verdict.holds else 'the log does not hold'}", "red")
    return DOES_NOT_HOLD


def _key(text: str | None, opened: OpenedData) -> PublicKey:
    if text is None:
        return AuditKey.of(opened.database, opened.audit_key, create=False).public
    try:
        return PublicKey.parse(text)
    except KeyTextError as error:
        raise ConfigError(Path("--key"), str(error)) from error


def _notes(paths: Iterable[Path]) -> Iterator[tuple[Path, bytes]]:
    for path in paths:
        try:
            files = sorted(checkpoint_files(path)) if path.is_dir() else [path]
            if not files:
                raise InputError(path, "there are no checkpoints in it")
            for file in files:
                yield file, file.read_bytes()
        except OSError as error:
            raise InputError(path, f"cannot be read as a checkpoint ({error.strerror or error})") from error


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from error


def _published(told: Publication) -> str:
    unknown = "not in the log"
    settings = unknown if told.settings is None else json.dumps(told.settings, sort_keys=True)
    return (
        f"entry {told.number}, {moment(told.time)}: {told.action}{f' of job {told.job}' if told.job else ''} "
        f"by {told.actor}; input sha256 {told.input_sha256 or unknown}; engine {told.engine or unknown}; "
        f"settings {settings}"
    )


def _shown(text: str) -> str:
    """The common parts first, then all others; as it is if it is not an entry."""
    try:
        said = json.loads(text)
        first = f"{said.pop('number')}  {moment(said.pop('time'))}  {said.pop('action')}  {said.pop('actor')}"
        said.pop("previous", None)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return printable(text)
    others = "  ".join(
        f"{name}={json.dumps(value) if isinstance(value, dict) else value}" for name, value in said.items()
    )
    return printable(f"{first}  {others}")
