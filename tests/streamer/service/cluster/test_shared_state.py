"""What several servers do at the same time to one database and one bucket, each through objects of its own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import psycopg
import pytest
from sqlalchemy import text

from streamer.errors import ConfigError
from streamer.service.audit.checkpoint import Checkpoints, checkpoint_files, opened_note
from streamer.service.audit.entry import AuditAction, AuditEntry
from streamer.service.audit.keys import AuditKey
from streamer.service.audit.log import record
from streamer.service.jobs.errors import QuotaError
from streamer.service.jobs.job import JobState
from streamer.service.jobs.settings import JobSettings
from streamer.service.pictures.cache import PictureCache
from streamer.service.pictures.pool import MaskedAnswer
from streamer.service.store.blobs import Blobs
from streamer.service.store.chores import chore_is_due
from streamer.service.store.data_folder import DataFolder
from streamer.service.store.database import Database, UncertainError
from streamer.service.store.postgres import PatientConnection, Postgres
from tests.rigs.cluster.gateways import Place
from tests.rigs.service.ledger import ANNA, BEN, Ledger

T = TypeVar("T")


class Servers:
    """Four ledgers in one place; their clock is the database's."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.all = [Ledger(folder, Database(place.url), Blobs.at(place.blobs_url)) for _ in range(4)]
        for each in self.all:
            each.uploads._clock = each.jobs._clock = each.leases._clock = each.database.now

    def at_once(self, step: Callable[[Ledger], T]) -> list[T]:
        """Each of them does it at the same moment."""
        barrier = threading.Barrier(len(self.all))

        def do(ledger: Ledger) -> T:
            barrier.wait(30)
            return step(ledger)

        with ThreadPoolExecutor(len(self.all)) as pool:
            return list(pool.map(do, self.all, timeout=60))


@pytest.fixture
def servers(place: Place, tmp_path: Path) -> Iterator[Servers]:
    made = Servers(place, tmp_path)
    yield made
    for each in made.all:
        each.database.close()


def test_a_limit_holds_at_all_servers_together(servers: Servers) -> None:
    uploads = iter([servers.all[0].upload(ANNA, b"film") for _ in range(12)])

    def submit(ledger: Ledger) -> int:
        taken = 0
        for _ in range(3):
            try:
                ledger.jobs.submit(ANNA, next(uploads), JobSettings())
                taken += 1
            except QuotaError:
                pass
        return taken

    assert sum(servers.at_once(submit)) == ANNA.max_jobs


def test_each_job_is_claimed_by_one(servers: Servers) -> None:
    first = servers.all[0]
    for _ in range(6):
        first.jobs.submit(BEN, first.upload(), JobSettings())
    claims = servers.at_once(lambda ledger: [ledger.leases.claim("w") for _ in range(3)])
    jobs = [claim.job for each in claims for claim in each if claim is not None]
    assert len(jobs) == len(set(jobs)) == 6


def test_a_server_that_starts_leaves_alone_what_others_are_at(servers: Servers, tmp_path: Path) -> None:
    """Neither jobs that run, nor uploads that come in, nor files that are stored and not noted yet."""
    first = servers.all[0]
    job = first.jobs.submit(BEN, first.upload(), JobSettings()).job.id
    claim = first.claim()
    coming = first.uploads.begin(BEN, 100, resumable=False).id
    stored = first.blobs.put(b"not noted yet")
    with servers.place.gateways(tmp_path, 0):
        assert first.leases.held(claim) and first.jobs.get(BEN, job).state is JobState.RUNNING
        assert first.uploads.get(BEN, coming).received == 0
        assert stored in set(first.blobs.names())
    assert first.leases.beat(claim, 0.5, None)


def test_a_chore_is_done_by_one_of_all(servers: Servers) -> None:
    def due(ledger: Ledger) -> bool:
        return chore_is_due(ledger.database, "orphans", 3600)

    assert sorted(servers.at_once(due)) == [False, False, False, True]
    true = Database.now
    with patch.object(Database, "now", lambda self: true(self) + 3601):
        assert sorted(servers.at_once(due)) == [False, False, False, True]


def test_all_sign_the_audit_log_with_one_key_and_may_do_so_in_one_folder(servers: Servers, tmp_path: Path) -> None:
    with servers.all[0].database.writing() as session:
        record(session, AuditEntry(AuditAction.SUBMIT, "local"), 1.0)
    folder = tmp_path / "notes"
    folder.mkdir()
    keys = servers.at_once(lambda ledger: AuditKey.of(ledger.database, None))
    assert len({str(key.public) for key in keys}) == 1
    servers.at_once(lambda ledger: Checkpoints(ledger.database, AuditKey.of(ledger.database, None), folder).write())
    [path] = checkpoint_files(folder)
    assert opened_note(path.read_bytes(), keys[0].public).size == 1


def test_kept_pictures_are_counted_over_all_servers(servers: Servers) -> None:
    one, other = (PictureCache(each.database, each.blobs, each.database.now, 60, most=10) for each in servers.all[:2])
    answer = MaskedAnswer(bytes(8), "image/png", 1, hashlib.sha256(bytes(8)).hexdigest())
    entry = AuditEntry(AuditAction.PICTURE, "me")
    one.keep("k1", "me", answer, entry)
    other.keep("k2", "me", answer, entry)
    assert other.find("k1") == answer and one.find("k2") is None, "no room for both"


def test_what_may_count_keeps_its_files(servers: Servers) -> None:
    """The database went away as a transaction was to count: if it does, its files must be there."""
    ledger = servers.all[0]
    job = ledger.jobs.submit(BEN, ledger.upload(), JobSettings()).job.id
    claim = ledger.claim()
    upload = ledger.uploads.begin(BEN, 5).id

    commit = PatientConnection.commit

    def lost(connection: PatientConnection) -> None:
        commit(connection)
        connection.close()
        raise psycopg.OperationalError("the server closed the connection unexpectedly")

    with patch.object(PatientConnection, "commit", lost), patch.object(Postgres, "counts", lambda *_: None):
        for step in (
            lambda: ledger.leases.publish(claim, ledger.output()),
            lambda: ledger.uploads.append(BEN, upload, 0, b"12345"),
        ):
            with pytest.raises(UncertainError):
                step()
    done = ledger.jobs.get(BEN, job)
    assert done.result is not None and b"".join(ledger.blobs.read(done.result.blob)) == b"masked"
    assert ledger.uploads.finish(BEN, upload).sha256 == hashlib.sha256(b"12345").hexdigest()


def test_files_of_another_database_are_refused(servers: Servers, place: Place, tmp_path: Path) -> None:
    DataFolder.open(tmp_path / "one", place.url, place.blobs_url).close()
    DataFolder.open(tmp_path / "two", place.url, place.blobs_url).close()
    with pytest.raises(ConfigError, match="files of another database"):
        DataFolder.open(tmp_path / "three", None, place.blobs_url)
    with servers.all[0].database.writing() as session:
        session.execute(text("DELETE FROM facts WHERE name = 'id'"))
    with pytest.raises(ConfigError, match="files of another database"):
        DataFolder.open(tmp_path / "one", place.url, place.blobs_url)
    with pytest.raises(ConfigError, match=r"set service\.blobs"):
        DataFolder.open(tmp_path / "four", place.url)
