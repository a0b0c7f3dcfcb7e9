"""Whatever is done to the log behind its back is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.service.audit.checkpoint import Checkpoint
from streamer.service.audit.entry import AuditAction, AuditEntry
from streamer.service.audit.log import record
from streamer.service.audit.verification import AuditVerdict, publications, verify_log
from streamer.service.store.database import Database
from tests.streamer.service.audit.log_rig import change, log_of, rewrite

COUNT = 6


@dataclass(frozen=True)
class Kept:
    """A log that is put back as it was."""

    database: Database
    checkpoint: Checkpoint
    rows: list[dict[str, object]]

    def restore(self) -> None:
        change(self.database, "DELETE FROM audit")
        for row in self.rows:
            change(self.database, "INSERT INTO audit VALUES (:number, :entry, :sha256)", **row)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    database = log_of(tmp_path_factory.mktemp("log"), COUNT)
    with database.reading() as session:
        found = session.connection().exec_driver_sql("SELECT number, entry, sha256 FROM audit ORDER BY number")
        rows: list[dict[str, object]] = [dict(row._mapping) for row in found]
    last = rows[-1]["sha256"]
    assert isinstance(last, bytes)
    return Kept(database, Checkpoint("x", COUNT, last), rows)


@pytest.fixture
def log(whole: Kept) -> Iterator[Kept]:
    yield whole
    whole.restore()


def said(verdict: AuditVerdict) -> list[str]:
    return [finding.text for finding in verdict.findings]


def test_a_whole_log_holds(log: Kept) -> None:
    verdict = verify_log(log.database, [log.checkpoint, Checkpoint("x", 0, bytes(32))])
    assert verdict.holds and verdict.entries == COUNT and verdict.head == log.checkpoint.head.hex()
    change(log.database, "DELETE FROM audit")
    assert verify_log(log.database).holds, "an empty one does, too"


def test_what_is_missing_is_named(log: Kept) -> None:
    change(log.database, "DELETE FROM audit WHERE number IN (2, 3, 5)")
    assert said(verify_log(log.database)) == ["entries 2 to 3 are missing", "entry 5 is missing"]
    change(log.database, "DELETE FROM audit WHERE number < 6")
    assert said(verify_log(log.database)) == ["entries 1 to 5 are missing"]


def test_a_cut_end_is_found_by_a_checkpoint(log: Kept) -> None:
    change(log.database, "DELETE FROM audit WHERE number > 4")
    assert verify_log(log.database).holds, "nobody could tell"
    [text] = said(verify_log(log.database, [log.checkpoint]))
    assert text == "the end was cut off: a checkpoint knows 6 entries, the last one here is 4"


def test_a_log_that_was_made_up_is_found_by_a_checkpoint(log: Kept) -> None:
    for count in (COUNT, COUNT + 3):
        rewrite(log.database, count)
        assert verify_log(log.database).holds, "nobody could tell"
        [text] = said(verify_log(log.database, [log.checkpoint]))
        assert "up to entry 6 is not the one that a checkpoint was signed for" in text


def test_a_swapped_order_is_found(log: Kept) -> None:
    change(log.database, "UPDATE audit SET number = -1 WHERE number = 3")
    change(log.database, "UPDATE audit SET number = 3 WHERE number = 4")
    change(log.database, "UPDATE audit SET number = 4 WHERE number = -1")
    assert said(verify_log(log.database))[:2] == [
        "entry 3 was moved: it says that it is number 4",
        "entry 4 was moved: it says that it is number 3",
    ]


def test_an_entry_and_its_hash_replaced_together_do_not_fit_the_next(log: Kept) -> None:
    forged = json.dumps({**json.loads(str(log.rows[1]["entry"])), "actor": "nobody"}, separators=(",", ":"))
    digest = hashlib.sha256(forged.encode()).digest()
    change(
        log.database, "UPDATE audit SET entry = :entry, sha256 = :digest WHERE number = 2", entry=forged, digest=digest
    )
    assert said(verify_log(log.database)) == ["entry 3 does not follow entry 2: one of them was replaced"]


def test_an_entry_put_in_before_the_first_is_found(log: Kept) -> None:
    change(log.database, "INSERT INTO audit SELECT 0, entry, sha256 FROM audit WHERE number = 1")
    assert said(verify_log(log.database)) == ["entry 0 was put in: numbers begin at 1"]


values = st.one_of(st.text(), st.binary(max_size=40), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))


@settings(deadline=None)  # it writes to a disk
@given(st.integers(1, COUNT), st.data())
def test_any_single_change_to_any_row_is_found(whole: Kept, number: int, data: st.DataObject) -> None:
    row = whole.rows[number - 1]
    column = data.draw(st.sampled_from(["entry", "sha256", "number", "row"]))
    if column == "row":
        change(whole.database, "DELETE FROM audit WHERE number = :number", number=number)
    else:
        if column == "number":
            new: object = data.draw(st.integers(-(2**62), 2**62).filter(lambda new: not 1 <= new <= COUNT))
        elif data.draw(st.booleans()):
            old = row[column]
            raw = old.encode() if isinstance(old, str) else bytes(old) if isinstance(old, bytes) else b""
            at = data.draw(st.integers(0, len(raw) - 1))
            flipped = raw[:at] + bytes([raw[at] ^ (1 << data.draw(st.integers(0, 6)))]) + raw[at + 1 :]
            new = flipped.decode("latin-1") if isinstance(old, str) else flipped
        else:
            new = data.draw(values.filter(lambda new: new != row[column]))
        change(whole.database, f"UPDATE audit SET {column} = :new WHERE number = :number", new=new, number=number)
    try:
        verdict = verify_log(whole.database, [whole.checkpoint])
        assert not verdict.holds
        assert any(finding.number in (number, number + 1, 1) or column == "number" for finding in verdict.findings)
    finally:
        whole.restore()


def test_where_a_file_came_from(tmp_path: Path) -> None:
    database = log_of(tmp_path, 3)
    out, source = "a" * 64, "b" * 64
    for time, entry in (
        (
            10.0,
            AuditEntry(AuditAction.SUBMIT, "t", job="k", input_sha256=source, settings={"verify": True}, engine="e"),
        ),
        (20.0, AuditEntry(AuditAction.RESULT, "system", job="k", input_sha256=source, output_sha256=out, engine="e")),
        (30.0, AuditEntry(AuditAction.PICTURE, "t", input_sha256=out, output_sha256="c" * 64)),
    ):
        with database.writing() as session:
            record(session, entry, time)
    [found] = publications(database, out)
    assert (found.number, found.action, found.actor, found.time) == (5, "result", "system", 20.0)
    assert (found.input_sha256, found.settings, found.engine, found.job) == (source, {"verify": True}, "e", "k")
    assert publications(database, source) == [] == publications(database, "d" * 64)
