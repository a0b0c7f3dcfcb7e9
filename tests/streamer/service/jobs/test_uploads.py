"""Uploads: what is stored counts, what is not does not, and nobody sees another's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from obstore.store import LocalStore

from streamer.service.jobs import uploads as room
from streamer.service.jobs.errors import ConflictError, InvalidError, NotFoundError, QuotaError, TooMuchError
from streamer.service.jobs.settings import JobSettings
from streamer.service.store.blobs import Blobs
from tests.rigs.service.ledger import ANNA, BEN, KEEP, Ledger


def test_pieces_become_a_file_with_its_hash(ledger: Ledger, tmp_path: Path) -> None:
    upload = ledger.uploads.begin(BEN, 7)
    ledger.uploads.append(BEN, upload.id, 0, b"one")
    with pytest.raises(ConflictError, match="ends at byte 3, not at 0"):
        ledger.uploads.append(BEN, upload.id, 0, b"one")
    with pytest.raises(ConflictError, match="4 bytes are missing"):
        ledger.uploads.finish(BEN, upload.id)
    assert ledger.uploads.append(BEN, upload.id, 3, b" two").received == 7
    done = ledger.uploads.finish(BEN, upload.id)
    assert done.sha256 == hashlib.sha256(b"one two").hexdigest() and ledger.uploads.finish(BEN, upload.id) == done
    with pytest.raises(ConflictError, match="complete"):
        ledger.uploads.append(BEN, upload.id, 7, b"!")
    ledger.jobs.submit(BEN, done.id, JobSettings())
    ledger.blobs.fetch(ledger.claim().parts, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"one two"


def test_no_more_than_announced_or_allowed(ledger: Ledger) -> None:
    upload = ledger.uploads.begin(BEN, 3)
    with pytest.raises(TooMuchError):
        ledger.uploads.append(BEN, upload.id, 0, b"four")
    with pytest.raises(TooMuchError):
        ledger.uploads.begin(BEN, 5001)
    endless = ledger.uploads.begin(BEN, None)
    with pytest.raises(TooMuchError):
        ledger.uploads.append(BEN, endless.id, 0, bytes(5001))
    with pytest.raises(InvalidError, match="empty"):
        ledger.uploads.finish(BEN, endless.id)
    assert ledger.blob_count() == 0


def test_a_quota_of_bytes_counts_what_is_announced(ledger: Ledger) -> None:
    ledger.uploads.begin(ANNA, 700)
    with pytest.raises(QuotaError, match="1000 bytes"):
        ledger.uploads.begin(ANNA, 301)
    endless = ledger.uploads.begin(ANNA, None)
    ledger.uploads.append(ANNA, endless.id, 0, bytes(300))
    with pytest.raises(QuotaError):
        ledger.uploads.append(ANNA, endless.id, 300, b"x")
    assert ledger.blob_count() == 1


def test_who_has_used_up_the_quota_cannot_begin_without_a_length_either(ledger: Ledger) -> None:
    upload = ledger.upload(ANNA, bytes(1000))
    with pytest.raises(QuotaError, match="1000 are in use"):
        ledger.uploads.begin(ANNA, None)
    ledger.uploads.delete(ANNA, upload)
    ledger.uploads.begin(ANNA, None)


def test_an_owner_has_a_bounded_number_of_unfinished_uploads(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "OPEN", 3)
    ledger.upload(BEN)  # finished: it does not count
    begun = [ledger.uploads.begin(BEN, length) for length in (0, 6, None)]
    with pytest.raises(QuotaError, match="3 uploads were begun"):
        ledger.uploads.begin(BEN, 1)
    ledger.uploads.begin(ANNA, 1)
    ledger.uploads.append(BEN, begun[1].id, 0, b"a film")
    ledger.uploads.finish(BEN, begun[1].id)
    ledger.uploads.begin(BEN, 1)


def test_many_pieces_must_not_be_small(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FEW", 2), ("SMALL", 4), ("MOST_PIECES", 4)):
        monkeypatch.setattr(room, name, value)
    upload = ledger.uploads.begin(BEN, 9).id
    for offset in (0, 1):
        ledger.uploads.append(BEN, upload, offset, b"x")
    with pytest.raises(TooMuchError, match="has 2 pieces already: go on with pieces of 4 bytes"):
        ledger.uploads.append(BEN, upload, 2, b"xxx")
    assert ledger.blob_count() == 2 and ledger.uploads.get(BEN, upload).received == 2
    ledger.uploads.append(BEN, upload, 2, b"xxxx")
    ledger.uploads.append(BEN, upload, 6, b"xxx")  # the last one
    assert ledger.uploads.finish(BEN, upload).length == 9
    whole = ledger.uploads.begin(BEN, None, resumable=False).id
    for offset in range(4):  # not the sender's choice
        ledger.uploads.append(BEN, whole, offset, b"x")
    with pytest.raises(TooMuchError, match="at most 4 pieces"):
        ledger.uploads.append(BEN, whole, 4, b"xxxx")


def test_another_s_upload_does_not_exist(ledger: Ledger) -> None:
    upload = ledger.upload(BEN)
    for attempt in (
        lambda: ledger.uploads.get(ANNA, upload),
        lambda: ledger.uploads.append(ANNA, upload, 0, b"x"),
        lambda: ledger.uploads.finish(ANNA, upload),
        lambda: ledger.uploads.delete(ANNA, upload),
        lambda: ledger.jobs.submit(ANNA, upload, JobSettings()),
    ):
        with pytest.raises(NotFoundError):
            attempt()


def test_a_deleted_upload_leaves_nothing(ledger: Ledger) -> None:
    upload = ledger.upload(BEN)
    ledger.uploads.delete(BEN, upload)
    assert ledger.blob_count() == 0
    with pytest.raises(NotFoundError):
        ledger.uploads.get(BEN, upload)


def test_an_upload_that_nobody_goes_on_with_expires(ledger: Ledger) -> None:
    upload = ledger.upload(BEN)
    ledger.now += KEEP / 2
    assert ledger.jobs.expire() == 0
    ledger.now += KEEP
    assert ledger.jobs.expire() == 1 and ledger.blob_count() == 0
    with pytest.raises(NotFoundError):
        ledger.uploads.get(BEN, upload)


class FullDisk(Blobs):
    """A store that takes nothing."""

    def put(self, content: bytes | Path) -> str:
        raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_the_upload_where_it_was(ledger: Ledger, tmp_path: Path) -> None:
    upload = ledger.uploads.begin(BEN, 6)
    ledger.uploads._blobs = FullDisk(LocalStore(prefix=tmp_path))
    with pytest.raises(OSError, match="space"):
        ledger.uploads.append(BEN, upload.id, 0, b"a film")
    ledger.uploads._blobs = ledger.blobs
    assert ledger.uploads.append(BEN, upload.id, 0, b"a film").received == 6


def test_what_was_cut_off_goes_unless_its_sender_can_go_on_with_it(ledger: Ledger) -> None:
    resumable, cut_off = ledger.uploads.begin(BEN, 9), ledger.uploads.begin(BEN, 9, resumable=False)
    whole = ledger.uploads.begin(BEN, None, resumable=False)
    for upload in (resumable, cut_off, whole):
        ledger.uploads.append(BEN, upload.id, 0, b"half")
    ledger.uploads.finish(BEN, whole.id)
    assert ledger.uploads.abandon(ledger.now) == 0, "it may still be coming in"
    assert ledger.uploads.abandon() == 1 and ledger.blob_count() == 2
    with pytest.raises(NotFoundError):
        ledger.uploads.get(BEN, cut_off.id)
    assert ledger.uploads.get(BEN, resumable.id).received == ledger.uploads.get(BEN, whole.id).length == 4
