"""Kept pictures: found again by their sender alone, for a while, and never without an entry in the audit log."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import select

from streamer.service.audit.entry import AuditAction, AuditEntry
from streamer.service.pictures import cache as room
from streamer.service.pictures.cache import PictureCache, cache_key
from streamer.service.pictures.pool import MaskedAnswer
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from streamer.service.store.tables import AuditRow, CacheRow

ENTRY = AuditEntry(AuditAction.PICTURE, "me")
KEY = cache_key("me", "0" * 64, "1" * 64, "1.0")


def answer(content: bytes = b"masked", whole: bool = False) -> MaskedAnswer:
    return MaskedAnswer(content, "image/png", 2, hashlib.sha256(content).hexdigest(), whole)


class Kept:
    """A cache, and what is behind it."""

    def __init__(self, folder: Path, keep: float = 60, most: int = 1000) -> None:
        self.now = 1000.0
        self.database = Database.in_file(folder / "jobs.db")
        self.database.migrate()
        self.blobs = Blobs.in_folder(folder / "blobs")
        self.cache = PictureCache(self.database, self.blobs, lambda: self.now, keep, most)

    def counts(self) -> tuple[int, int, int]:
        """Rows, blobs, entries of the audit log."""
        with self.database.reading() as session:
            rows = session.scalars(select(CacheRow)).all()
            entries = session.scalars(select(AuditRow)).all()
        return len(rows), len(list(self.blobs.names())), len(entries)


def test_kept_until_it_expires(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    assert kept.cache.find(KEY) is None
    kept.cache.keep(KEY, "me", answer(), ENTRY)
    assert kept.cache.find(KEY) == answer() and kept.counts() == (1, 1, 1)
    kept.now += 59
    assert kept.cache.delete_expired() == 0 and kept.cache.find(KEY) == answer()
    kept.now += 1
    assert kept.cache.find(KEY) is None
    assert kept.cache.delete_expired() == 1 and kept.counts() == (0, 0, 1)


def test_every_part_of_the_key_counts() -> None:
    questions = ["me a b c", "you a b c", "me x b c", "me a x c", "me a b x"]
    assert len({cache_key(*question.split()) for question in questions}) == 5
    assert cache_key("a", "b", "c", "d") != cache_key("a", "bc", "", "d")


def test_the_same_twice_leaves_one(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.cache.keep(KEY, "me", answer(b"one"), ENTRY)
    kept.cache.keep(KEY, "me", answer(b"two"), ENTRY)
    assert kept.cache.find(KEY) == answer(b"two") and kept.counts() == (1, 1, 2)


def test_what_is_not_kept_is_written_down_all_the_same(tmp_path: Path) -> None:
    kept = Kept(tmp_path, most=10)
    kept.cache.keep(KEY, "me", answer(whole=True), ENTRY)
    kept.cache.keep(KEY, "me", answer(bytes(11)), ENTRY)
    assert kept.counts() == (0, 0, 2)
    kept.cache.keep(KEY, "me", answer(bytes(6)), ENTRY)
    kept.cache.keep("other", "me", answer(bytes(6)), ENTRY)
    assert kept.counts() == (1, 1, 4)
    kept.now += 60
    kept.cache.delete_expired()
    kept.cache.keep("other", "me", answer(bytes(6)), ENTRY)
    assert kept.counts() == (1, 1, 5)
    again = PictureCache(kept.database, kept.blobs, lambda: kept.now, 60, most=10)  # after a restart
    again.keep(KEY, "me", answer(bytes(6)), ENTRY)
    assert kept.counts() == (1, 1, 6)
    PictureCache(kept.database, kept.blobs, lambda: kept.now, 0).keep(KEY, "me", answer(), ENTRY)
    assert kept.counts() == (1, 1, 7)


def test_no_entry_no_row_and_no_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(tmp_path)
    monkeypatch.setattr(room, "record", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        kept.cache.keep(KEY, "me", answer(), ENTRY)
    assert kept.counts() == (0, 0, 0)


def test_a_damaged_or_missing_file_is_no_answer(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.cache.keep(KEY, "me", answer(), ENTRY)
    (path,) = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    path.write_bytes(b"mask3d")
    assert kept.cache.find(KEY) is None
    path.unlink()
    assert kept.cache.find(KEY) is None
    kept.now += 60
    assert kept.cache.delete_expired() == 1 and kept.counts() == (0, 0, 1)
