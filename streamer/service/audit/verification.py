"""Finds what was changed in an audit log, taken out of it, cut off its end, or made up from its beginning."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from streamer.service.audit.checkpoint import Checkpoint
from streamer.service.audit.log import FIRST
from streamer.service.store.database import Database

_ROWS: Final = 500  # read at a time


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """Something that does not hold. `number`: the entry it is about."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """What was looked at, and all that does not hold; `entries`: how many there are, `head`: hash of the last one."""

    entries: int
    head: str
    findings: tuple[AuditFinding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Publication:
    """An entry that says of a file that it left the service. `time`: seconds since 1970; None: the log does not say."""

    number: int
    action: str
    actor: str
    time: float
    input_sha256: str | None
    settings: Mapping[str, object] | None
    engine: str | None
    job: str | None


def verify_log(database: Database, checkpoints: Iterable[Checkpoint] = ()) -> AuditVerdict:
    """Read the whole log, and compare it with checkpoints whose signatures hold. Raises BusyError."""
    wanted: dict[int, list[Checkpoint]] = defaultdict(list)
    for checkpoint in checkpoints:
        wanted[checkpoint.size].append(checkpoint)
    findings: list[AuditFinding] = []
    last, entries = 0, 0
    trusted: set[str] = {FIRST}  # hashes that the next entry may give for the one before; empty: anything
    head = FIRST
    findings += _compared(wanted.pop(0, ()), 0, FIRST)
    with database.reading() as session:
        for number, said, kept in _rows(session):
            entries += 1
            if number <= last:
                findings.append(AuditFinding(number, f"entry {number} was put in: numbers begin at 1"))
                continue
            if number != last + 1:
                findings.append(AuditFinding(last + 1, _missing(last + 1, number - 1)))
                trusted = set()
                for size in [size for size in wanted if last < size < number]:
                    wanted.pop(size)  # its entry is missing, as was just said
            head = hashlib.sha256(said).hexdigest()
            trouble = _trouble(number, said, kept == bytes.fromhex(head), trusted)
            findings += [AuditFinding(number, each) for each in trouble]
            findings += _compared(wanted.pop(number, ()), number, head)
            trusted, last = {head, kept.hex()}, number
    findings += [
        AuditFinding(size, f"the end was cut off: a checkpoint knows {size} entries, the last one here is {last}")
        for size in sorted(wanted)
    ]
    return AuditVerdict(entries, head, tuple(findings))


def publications(database: Database, sha256: str) -> list[Publication]:
    """The entries that say that a file with this hash came out, oldest first. Raises BusyError."""
    with database.reading() as session:
        found = [said for said in _saying(session, sha256) if said.get("output_sha256") == sha256]
        jobs: dict[str, dict[str, object]] = {}
        for job in {str(said["job"]) for said in found if "job" in said}:
            for said in _saying(session, job):
                if said.get("job") == job:
                    jobs[job] = {**said, **jobs.get(job, {})}  # what was submitted says settings, the result does not
    return [_publication({**jobs.get(str(said.get("job")), {}), **said}) for said in found]


def _trouble(number: int, said: bytes, whole: bool, trusted: set[str]) -> Iterator[str]:
    if not whole:
        yield f"entry {number} was changed: its text does not have its hash"
    fields = _fields(said)
    if fields is None:
        yield f"entry {number} was changed: it is no entry"
        return
    if fields.get("number") != number:
        yield f"entry {number} was moved: it says that it is number {fields.get('number')}"
    elif trusted and fields.get("previous") not in trusted:
        yield f"entry {number} does not follow entry {number - 1}: one of them was replaced"


def _compared(checkpoints: Iterable[Checkpoint], number: int, head: str) -> Iterator[AuditFinding]:
    for checkpoint in checkpoints:
        if checkpoint.head.hex() != head:
            cause = f"the log up to entry {number} is not the one that a checkpoint was signed for: it was rewritten"
            yield AuditFinding(number, cause)


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _rows(session: Session) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, text and hash as they are kept, whatever somebody has put there."""
    # Cast by the database: a column's own type would fail on what no entry has.
    query = text("SELECT number, CAST(entry AS BLOB), CAST(sha256 AS BLOB) FROM audit ORDER BY number")
    if session.get_bind().dialect.name != "sqlite":
        query = text("SELECT number, entry, sha256 FROM audit ORDER BY number")
    for number, entry, kept in session.execute(query, execution_options={"yield_per": _ROWS}):
        yield int(number), entry.encode() if isinstance(entry, str) else bytes(entry or b""), bytes(kept or b"")


def _saying(session: Session, word: str) -> Iterator[dict[str, object]]:
    query = text("SELECT entry FROM audit WHERE entry LIKE :word ORDER BY number")
    for entry in session.scalars(query, {"word": f"%{word}%"}, execution_options={"yield_per": _ROWS}):
        fields = _fields(entry.encode() if isinstance(entry, str) else bytes(entry))
        if fields is not None:
            yield fields


def _fields(said: bytes) -> dict[str, object] | None:
    try:
        fields = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _publication(said: Mapping[str, object]) -> Publication:
    def word(name: str) -> str | None:
        value = said.get(name)
        return value if isinstance(value, str) else None

    number, settings = said.get("number"), said.get("settings")
    return Publication(
        number if isinstance(number, int) else 0,
        word("action") or "",
        word("actor") or "",
        _seconds(said.get("time")),
        word("input_sha256"),
        settings if isinstance(settings, dict) else None,
        word("engine"),
        word("job"),
    )


def _seconds(time: object) -> float:
    try:
        return float(time) if isinstance(time, int | float) else 0.0
    except OverflowError:  # a forged entry may hold a whole number of any length
        return math.inf
