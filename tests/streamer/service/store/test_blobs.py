"""Blobs: whole or not there, for their owner alone."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from streamer.service.store import blobs as room
from streamer.service.store.blobs import Blobs, new_id


@pytest.fixture
def in_folder(tmp_path: Path) -> Blobs:
    return Blobs.in_folder(tmp_path / "blobs")


def test_what_is_put_is_read_whole_or_in_part(blobs: Blobs, tmp_path: Path) -> None:
    content = os.urandom((3 << 20) + 17)
    (tmp_path / "file").write_bytes(content)
    for name in (blobs.put(content), blobs.put(tmp_path / "file")):
        assert b"".join(blobs.read(name)) == content and blobs.size(name) == len(content)
        assert b"".join(blobs.read(name, 5, 1 << 21)) == content[5 : 1 << 21]
    assert b"".join(blobs.read(blobs.put(b""))) == b""


def test_pieces_make_a_file_that_only_its_owner_may_read(blobs: Blobs, tmp_path: Path) -> None:
    target = tmp_path / "whole"
    blobs.fetch([blobs.put(b"one "), blobs.put(b"two")], target)
    assert target.read_bytes() == b"one two" and stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        blobs.fetch([], target)


def test_nobody_else_may_read_them(in_folder: Blobs, tmp_path: Path) -> None:
    name = in_folder.put(b"private")
    [path] = tmp_path.rglob(name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "blobs").stat().st_mode) == 0o700


def test_deleted_blobs_are_gone_and_may_be_deleted_again(blobs: Blobs) -> None:
    kept, gone = blobs.put(b"kept"), blobs.put(b"gone")
    assert set(blobs.names()) == {kept, gone}
    blobs.delete(gone, None)
    blobs.delete(gone)
    assert list(blobs.names()) == [kept]
    with pytest.raises(FileNotFoundError):
        list(blobs.read(gone))


@pytest.mark.parametrize(
    ("said", "number"),
    [("Generic: Unable to copy: No space left on device (os error 28)", errno.ENOSPC), ("out of luck", errno.EIO)],
)
def test_a_full_disk_can_be_told_from_other_trouble(said: str, number: int, tmp_path: Path) -> None:
    class Full(MemoryStore):
        def put(self, *_: object, **__: object) -> NoReturn:
            raise GenericError(said)

    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        Blobs(Full(), tmp_path).put(b"content")
    assert caught.value.errno == number and said not in str(caught.value)


@pytest.mark.parametrize("name", ["", "../secret", "ab", "A" * 32, f"{'a' * 32}/", "é" * 32])
def test_only_names_of_blobs_are_looked_up(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="blob"):
        blobs.delete(name)


def test_ids_are_new_each_time() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


def test_what_cannot_be_secured_is_not_kept(in_folder: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "the disk fails")

    monkeypatch.setattr(room, "_secure", fail)
    with pytest.raises(OSError, match="the disk fails"):
        in_folder.put(b"content")
    assert list(in_folder.names()) == []


def test_what_a_killed_process_has_half_written_is_removed(in_folder: Blobs, tmp_path: Path) -> None:
    whole = in_folder.put(b"whole")
    half = tmp_path / "blobs" / whole[:2] / f"{new_id()}#1"
    half.write_bytes(b"hal")
    assert in_folder.belong_to("me") == "me" and in_folder.now() > 0
    assert list(in_folder.names()) == [whole], "the store hides it"
    assert in_folder.remove_unfinished() == 1 and not half.exists() and list(in_folder.names()) == [whole]
    assert in_folder.belong_to("you") == "me"
