"""`veilcast audit`: exit codes, and what an auditor reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from streamer.cli.main import main
from streamer.service.audit.checkpoint import Checkpoints
from streamer.service.audit.entry import AuditAction, AuditEntry
from streamer.service.audit.keys import AuditKey
from streamer.service.audit.log import record
from streamer.service.store.data_folder import DataFolder
from tests.streamer.service.audit.log_rig import add, change, rewrite

Capture = pytest.CaptureFixture[str]
MASKED = b"a masked video"


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder.open(tmp_path / "data")
    add(folder.database, 3)
    entry = AuditEntry(
        AuditAction.PICTURE,
        "t0",
        "10.0.0.1",
        input_sha256="b" * 64,
        output_sha256=hashlib.sha256(MASKED).hexdigest(),
        settings={"style": "solid"},
        engine="veilcast 1",
    )
    with folder.database.writing() as session:
        record(session, entry, 0.0)
    (tmp_path / "off").mkdir()
    Checkpoints(folder.database, AuditKey.of(folder.database, folder.audit_key), tmp_path / "off").write()
    (tmp_path / "masked.jpg").write_bytes(MASKED)
    return folder


def verify(data: DataFolder, *words: object) -> int:
    return main(["audit", "verify", "--data", str(data.path), *map(str, words)])


def test_a_whole_log_holds_and_tells_of_a_file(data: DataFolder, tmp_path: Path, capsys: Capture) -> None:
    assert main(["audit", "key", "--data", str(data.path)]) == 0
    key = capsys.readouterr().out.strip()
    masked = tmp_path / "masked.jpg"
    assert verify(data, "--checkpoint", tmp_path / "off", "--key", key, "--file", masked) == 0
    said = capsys.readouterr()
    assert said.out == (
        f"{masked}: entry 4, 1970-01-01T00:00:00Z: picture by t0; input sha256 {'b' * 64}; engine veilcast 1; "
        'settings {"style": "solid"}\n'
    )
    assert said.err.startswith("the log holds: 4 entries, 1 checkpoint fits; the last hash is ")
    assert verify(data) == 0
    assert "without a checkpoint" in capsys.readouterr().err


def test_a_file_that_no_entry_tells_of(data: DataFolder, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "masked.jpg").write_bytes(MASKED + b"!")
    assert verify(data, "--file", tmp_path / "masked.jpg") == 4
    assert "no entry tells of this file" in capsys.readouterr().out


def test_what_does_not_hold_is_exit_code_4(data: DataFolder, tmp_path: Path, capsys: Capture) -> None:
    change(data.database, "UPDATE audit SET entry = replace(entry, 'local', 'other') WHERE number = 2")
    assert verify(data) == 4
    said = capsys.readouterr()
    assert said.out == "entry 2 was changed: its text does not have its hash\n" and "does not hold" in said.err
    rewrite(data.database, 9)
    assert verify(data) == 0
    assert verify(data, "--checkpoint", tmp_path / "off") == 4
    assert "it was rewritten" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("time", "shown"), [("1e300", "1e+300"), ("-1e12", "-1000000000000"), ("NaN", "nan"), ("9" * 400, "9" * 400)]
)
def test_a_forged_time_is_shown_after_what_is_wrong(
    time: str, shown: str, data: DataFolder, tmp_path: Path, capsys: Capture
) -> None:
    forging = "UPDATE audit SET entry = replace(entry, :true, :forged) WHERE number = 4"
    change(data.database, forging, true='"time":0', forged=f'"time":{time}')
    masked = tmp_path / "masked.jpg"
    assert verify(data, "--file", masked) == 4
    finding, told = capsys.readouterr().out.splitlines()
    assert finding == "entry 4 was changed: its text does not have its hash"
    assert told.startswith(f"{masked}: entry 4, ") and ": picture by t0; input" in told
    assert main(["audit", "show", "--limit", "1", "--data", str(data.path)]) == 0
    assert capsys.readouterr().out.startswith(f"4  {shown}")


def test_a_forged_checkpoint_or_a_new_key_is_found(data: DataFolder, tmp_path: Path, capsys: Capture) -> None:
    [path] = (tmp_path / "off").iterdir()
    true = path.read_bytes()
    path.write_bytes(true.replace(b"\n4\n", b"\n3\n"))
    assert verify(data, "--checkpoint", path) == 4
    assert capsys.readouterr().out == f"{path}: its signature is wrong: it was changed\n"
    path.write_bytes(true)
    assert data.audit_key is not None
    data.audit_key.unlink()
    assert verify(data, "--checkpoint", path) == 2
    AuditKey.in_file(data.audit_key)
    assert verify(data, "--checkpoint", path) == 4
    assert "not signed with the log's key" in capsys.readouterr().out


def test_what_cannot_be_read_is_one_line(data: DataFolder, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    for words in (
        ["--file", tmp_path / "gone"],
        ["--checkpoint", tmp_path / "gone"],
        ["--checkpoint", tmp_path / "empty"],
        ["--checkpoint", tmp_path / "off", "--key", "x"],
    ):
        assert verify(data, *words) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1
    change(data.database, "DROP TABLE audit")
    assert verify(data) == 2
    assert "its database cannot be used (no such table: audit)" in capsys.readouterr().err
    assert main(["audit", "show", "--data", str(tmp_path / "typo")]) == 2
    assert not (tmp_path / "typo").exists()


def test_the_newest_entries_are_shown_oldest_first(data: DataFolder, capsys: Capture) -> None:
    assert main(["audit", "show", "--limit", "2", "--data", str(data.path)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "3  1970-01-01T00:01:42Z  submit  local  job=j2  outcome=ok"
    assert second.startswith("4  1970-01-01T00:00:00Z  picture  t0  address=10.0.0.1  ")
    assert main(["audit", "show", "--json", "--data", str(data.path)]) == 0
    assert [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()] == [1, 2, 3, 4]
