"""Jobs: taken in once, seen by their owner alone, gone with all that belongs to them."""

from __future__ import annotations

import pytest
from sqlalchemy import func, insert, select

from core.config import ZoneConfig
from streamer.service.jobs.errors import ConflictError, NotFoundError, QuotaError
from streamer.service.jobs.job import JobState
from streamer.service.jobs.settings import JobSettings, engine_name
from streamer.service.store.tables import PartRow, UploadRow
from streamer.settings.file import Settings
from tests.rigs.service.ledger import ANNA, BEN, BOSS, KEEP, Ledger

PLAIN = JobSettings()


def finished(ledger: Ledger, content: bytes = b"a film") -> str:
    job = ledger.jobs.submit(BEN, ledger.upload(BEN, content), PLAIN).job
    assert ledger.leases.publish(ledger.claim(), ledger.output())
    return job.id


def test_a_key_makes_one_job_of_many_requests(ledger: Ledger) -> None:
    upload = ledger.upload(BEN)
    first = ledger.jobs.submit(BEN, upload, PLAIN, key="k").job
    assert ledger.jobs.submit(BEN, upload, PLAIN, key="k").job == first
    with pytest.raises(ConflictError, match="Idempotency-Key"):
        ledger.jobs.submit(BEN, upload, JobSettings(cover="head"), key="k")
    assert ledger.jobs.submit(ANNA, ledger.upload(ANNA), PLAIN, key="k").job.id != first.id, "keys are each owner's own"
    assert len(ledger.jobs.list(BEN, 10)) == 1


def test_places_in_the_queue(ledger: Ledger) -> None:
    upload = ledger.upload(BEN)
    jobs = [ledger.jobs.submit(BEN, upload, JobSettings(cover=cover)).job.id for cover in (None, "face", "head")]
    assert [ledger.jobs.get(BEN, job).place for job in jobs] == [1, 2, 3]
    ledger.claim()
    assert [ledger.jobs.get(BEN, job).place for job in jobs] == [None, 1, 2]
    assert [job.place for job in ledger.jobs.list(BEN, 10)] == [2, 1, None]


def test_an_upload_goes_with_the_last_job_that_needs_it(ledger: Ledger) -> None:
    upload = ledger.upload(BEN)
    ledger.jobs.submit(BEN, upload, PLAIN)
    ledger.jobs.submit(BEN, upload, JobSettings(cover="head"))
    assert ledger.leases.publish(ledger.claim(), ledger.output())
    assert ledger.uploads.get(BEN, upload).sha256 is not None
    with pytest.raises(ConflictError, match="a job needs"):
        ledger.uploads.delete(BEN, upload)
    assert ledger.leases.fail(ledger.claim(), "has no video", again=False)
    with pytest.raises(NotFoundError):
        ledger.uploads.get(BEN, upload)
    assert ledger.blob_count() == 2, "result and report of the first"


def test_the_same_again_is_done_at_once_for_its_owner_only(ledger: Ledger) -> None:
    before = ledger.jobs.get(BEN, finished(ledger))
    again = ledger.jobs.submit(BEN, ledger.upload(BEN), PLAIN).job
    assert again.state is JobState.DONE and again.result == before.result and again.id != before.id
    assert ledger.blob_count() == 2, "the second upload is gone, the files are shared"
    assert ledger.jobs.submit(BEN, ledger.upload(BEN), JobSettings(cover="head")).job.state is JobState.QUEUED
    assert ledger.jobs.submit(ANNA, ledger.upload(ANNA), PLAIN).job.state is JobState.QUEUED
    assert ledger.jobs.delete(BEN, before.id) is None
    assert again.result is not None and ledger.blobs.size(again.result.blob) == 6, "the other job still has it"
    held = ledger.blob_count()
    ledger.jobs.delete(BEN, again.id)
    assert ledger.blob_count() == held - 2


def test_cancelling_ends_it_at_once_and_leaves_no_file(ledger: Ledger) -> None:
    job = ledger.jobs.submit(BEN, ledger.upload(BEN), PLAIN).job.id
    claim = ledger.claim()
    cancelled = ledger.jobs.delete(BEN, job)
    assert cancelled is not None and cancelled.state is JobState.CANCELLED and ledger.blob_count() == 0
    assert not ledger.leases.held(claim) and not ledger.leases.beat(claim, 0.5, None)
    assert not ledger.leases.publish(claim, ledger.output()) and ledger.blob_count() == 0
    assert ledger.jobs.delete(BEN, job) is None
    with pytest.raises(NotFoundError):
        ledger.jobs.get(BEN, job)


def test_another_s_job_does_not_exist_except_for_operators(ledger: Ledger) -> None:
    job = ledger.jobs.submit(BEN, ledger.upload(BEN), PLAIN).job.id
    for attempt in (ledger.jobs.get, ledger.jobs.own, ledger.jobs.delete):
        with pytest.raises(NotFoundError):
            attempt(ANNA, job)
    assert ledger.jobs.list(ANNA, 10, everyone=True) == []
    assert [found.id for found in ledger.jobs.list(BOSS, 10, everyone=True)] == [job]
    assert ledger.jobs.get(BOSS, job).id == job
    with pytest.raises(NotFoundError):
        ledger.jobs.own(BOSS, job)
    cancelled = ledger.jobs.delete(BOSS, job)
    assert cancelled is not None and cancelled.state is JobState.CANCELLED
    with pytest.raises(ConflictError, match="only its owner"):
        ledger.jobs.delete(BOSS, job)


def test_a_quota_of_jobs(ledger: Ledger) -> None:
    upload = ledger.upload(ANNA)
    for style in ("veil", "blur", "mosaic"):
        ledger.jobs.submit(ANNA, upload, JobSettings(style=style))
    with pytest.raises(QuotaError, match="3 jobs"):
        ledger.jobs.submit(ANNA, upload, JobSettings(style="solid"))
    ledger.leases.publish(ledger.claim(), ledger.output())
    ledger.jobs.submit(ANNA, upload, JobSettings(style="solid"))


def test_results_expire_and_the_audit_log_stays(ledger: Ledger) -> None:
    job = finished(ledger)
    ledger.now += KEEP - 1
    assert ledger.jobs.expire() == 0
    ledger.now += 2
    entries = ledger.audit_count()
    assert ledger.jobs.expire() == 1 and ledger.blob_count() == 0 and ledger.audit_count() == entries + 1
    with pytest.raises(NotFoundError):
        ledger.jobs.get(BEN, job)


def test_only_a_complete_upload_makes_a_job(ledger: Ledger) -> None:
    begun = ledger.uploads.begin(BEN, 3).id
    with pytest.raises(ConflictError, match="not complete"):
        ledger.jobs.submit(BEN, begun, PLAIN)
    assert ledger.jobs.list(BEN, 10) == [] and ledger.leases.claim("w") is None


def test_pages_of_jobs(ledger: Ledger) -> None:
    upload = ledger.upload(BEN)
    ids = [ledger.jobs.submit(BEN, upload, PLAIN, key=str(i)).job.id for i in range(5)]
    newest = ledger.jobs.list(BEN, 2)
    assert [job.id for job in newest] == ids[:2:-1]
    assert [job.id for job in ledger.jobs.list(BEN, 10, before=newest[-1].id)] == ids[2::-1]
    assert ledger.jobs.counts()["queued"] == 5


def test_an_upload_of_very_many_pieces_expires_like_any_other(ledger: Ledger) -> None:
    with ledger.database.writing() as session:
        session.add(UploadRow(id="e" * 32, owner=BEN.owner, received=40_000, resumable=True, created=0.0, touched=0.0))
        session.execute(
            insert(PartRow), [{"upload": "e" * 32, "offset": i, "bytes": 1, "blob": f"{i:032x}"} for i in range(40_000)]
        )
    assert ledger.jobs.expire() == 1
    with ledger.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(PartRow)) == 0


def test_other_settings_of_the_server_are_another_question() -> None:
    plain = Settings()
    zone = ZoneConfig(points=((0, 0), (1, 0), (1, 1)))
    zoned = plain.model_copy(update={"zones": (zone,)})
    assert engine_name(plain) == engine_name(Settings()) != engine_name(zoned)
    assert len(engine_name(zoned)) <= 100 and JobSettings(config="fast").whole(zoned).zones == (zone,)
