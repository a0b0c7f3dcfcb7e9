"""Checkpoints: written when due, never for another log than before, and read only if their signature holds."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from streamer.errors import ConfigError
from streamer.service.audit.checkpoint import (
    Checkpoint,
    CheckpointError,
    Checkpoints,
    CheckpointThread,
    checkpoint_files,
    opened_note,
    signed_note,
)
from streamer.service.audit.keys import AuditKey
from tests.streamer.service.audit.log_rig import add, change, log_of, rewrite

KEY, OTHER = AuditKey(b"k" * 32), AuditKey(b"o" * 32)
NAME = KEY.public.name
MADE = Checkpoint(NAME, 3, bytes(range(32)))
NOTE = signed_note(MADE, KEY)


def test_the_format() -> None:
    lines = NOTE.decode().split("\n")
    assert lines[:4] == [NAME, "3", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ""]
    assert lines[4].startswith(f"\N{EM DASH} {NAME} ") and lines[5:] == [""]
    assert opened_note(NOTE, KEY.public) == MADE


def test_others_may_sign_it_too() -> None:
    witness = signed_note(MADE, OTHER).split(b"\n\n")[1]
    assert opened_note(NOTE + witness, KEY.public) == MADE
    assert opened_note(NOTE.replace(b"\n\n", b"\n\n" + witness), KEY.public) == MADE


@pytest.mark.parametrize("at", range(0, len(NOTE), 7))
def test_a_changed_byte_is_found(at: int) -> None:
    with pytest.raises(CheckpointError):
        opened_note(NOTE[:at] + bytes([NOTE[at] ^ 1]) + NOTE[at + 1 :], KEY.public)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n\n",
        NOTE[:-1],
        NOTE.replace(b"\n3\n", b"\n03\n"),
        NOTE * 2,
        NOTE + b"x" * 70_000,
        signed_note(MADE, OTHER),
        signed_note(Checkpoint("another/log", 3, bytes(32)), KEY),
    ],
)
def test_what_was_not_signed_for_this_log_is_refused(note: bytes) -> None:
    with pytest.raises(CheckpointError):
        opened_note(note, KEY.public)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_is_due_after_so_many_entries_or_so_much_time(tmp_path: Path) -> None:
    database, clock, folder = log_of(tmp_path, 0), Clock(), tmp_path / "off"
    folder.mkdir()
    checkpoints = Checkpoints(database, KEY, folder, clock, entries=3, seconds=60)
    clock.now = 100
    assert checkpoints.write_if_due() is None, "nothing to say"
    add(database, 1)
    first = checkpoints.write_if_due()
    add(database, 2)
    clock.now += 59
    assert checkpoints.write_if_due() is None
    add(database, 1)
    second = checkpoints.write_if_due()
    assert [path and path.name for path in (first, second)] == [
        "audit-000000000001.checkpoint",
        "audit-000000000004.checkpoint",
    ]
    clock.now += 1000
    assert checkpoints.write_if_due() is None and checkpoints.write() is None
    assert second is not None and opened_note(second.read_bytes(), KEY.public).size == 4


@pytest.mark.parametrize("emptied", [False, True])
def test_a_log_that_was_rewritten_or_cut_is_not_signed(emptied: bool, tmp_path: Path) -> None:
    database, folder = log_of(tmp_path, 4), tmp_path / "c"
    folder.mkdir()
    checkpoints = Checkpoints(database, KEY, folder)
    written = checkpoints.write()
    assert written is not None
    if emptied:
        written.unlink()
    else:
        checkpoints = Checkpoints(database, KEY, folder)  # as after a restart
    rewrite(database, 9)
    with pytest.raises(CheckpointError, match="not the one that had 4 entries"):
        checkpoints.write()
    change(database, "DELETE FROM audit WHERE number > 2")
    with pytest.raises(CheckpointError, match="not the one that had 4 entries"):
        checkpoints.write()
    assert len(list(checkpoint_files(folder))) == (0 if emptied else 1)


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    database = log_of(tmp_path, 1)
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be read"):
        Checkpoints(database, KEY, tmp_path / "file" / "c").write()
    (tmp_path / "empty" / "audit-000000000001.checkpoint").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="cannot be read"):
        Checkpoints(database, KEY, tmp_path / "empty").write()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    assert Checkpoints(database, OTHER, foreign).write() is not None
    with pytest.raises(CheckpointError, match=r"audit-0*1\.checkpoint: not signed with the log's key"):
        Checkpoints(database, KEY, foreign).write()


def test_a_medium_that_is_not_mounted_is_said_and_nothing_goes_to_the_local_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "medium" / "veilcast"
    checkpoints = Checkpoints(log_of(tmp_path, 1), KEY, folder)
    with pytest.raises(ConfigError, match="no such folder for checkpoints"):
        checkpoints.check()
    with pytest.raises(CheckpointError, match="cannot be written"):
        checkpoints.write()
    assert not folder.parent.exists()
    folder.mkdir(parents=True)
    checkpoints.check()
    monkeypatch.setattr(os, "access", lambda *_: False)  # nothing is closed to root
    with pytest.raises(ConfigError, match="cannot be written to this folder"):
        checkpoints.check()


def test_the_thread_says_trouble_once_and_writes_at_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database, calls = log_of(tmp_path, 2), threading.Semaphore(0)
    (tmp_path / "c").mkdir()

    class Failing(Checkpoints):
        def write_if_due(self) -> Path | None:
            calls.release()
            raise CheckpointError("no room")

    thread = CheckpointThread(Failing(database, KEY, tmp_path / "c"), every=0.0)
    with caplog.at_level(logging.ERROR, "veilcast.audit"):
        thread.start()
        assert calls.acquire(timeout=10) and calls.acquire(timeout=10) and calls.acquire(timeout=10)
        thread.close()
        thread.close()
    assert [entry.message for entry in caplog.records] == ["checkpoint of the audit log: no room"]
    assert [path.name for path in checkpoint_files(tmp_path / "c")] == ["audit-000000000002.checkpoint"]
