"""Leases: one worker at a time, and a result counts once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from streamer.service.jobs.job import JobState
from streamer.service.jobs.leases import ATTEMPTS, LEASE, SETBACKS
from streamer.service.jobs.orphans import remove_orphans
from streamer.service.jobs.settings import JobSettings
from streamer.service.jobs.step import Claim
from streamer.service.store.blobs import Blobs
from tests.rigs.service.ledger import BEN, KEEP, Ledger


def submitted(ledger: Ledger) -> str:
    return ledger.jobs.submit(BEN, ledger.upload(), JobSettings()).job.id


def test_a_claimed_job_is_nobody_else_s_until_its_lease_ends(ledger: Ledger) -> None:
    job = submitted(ledger)
    first = ledger.claim("w1")
    assert ledger.leases.claim("w2") is None
    ledger.now += LEASE - 1
    assert ledger.leases.beat(first, 0.4, 30.0)
    seen = ledger.jobs.get(BEN, job)
    assert (seen.state, seen.progress, seen.seconds_left) == (JobState.RUNNING, 0.4, 30.0)
    ledger.now += LEASE - 1
    assert ledger.leases.claim("w2") is None
    ledger.now += 2
    second = ledger.claim("w2")
    assert second.job == job and second.attempt == 1, "that its worker is gone is no fault of the job"
    assert not ledger.leases.beat(first, 0.9, None) and not ledger.leases.publish(first, ledger.output(b"old"))
    assert not ledger.leases.fail(first, "late", again=False) and not ledger.leases.give_back(first)
    assert ledger.leases.publish(second, ledger.output(b"new"))
    done = ledger.jobs.get(BEN, job)
    assert done.state is JobState.DONE and done.result is not None
    assert b"".join(ledger.blobs.read(done.result.blob)) == b"new" and ledger.blob_count() == 2


def test_a_result_is_published_once(ledger: Ledger) -> None:
    submitted(ledger)
    claim = ledger.claim()
    assert ledger.leases.publish(claim, ledger.output())
    entries = ledger.audit_count()
    assert not ledger.leases.publish(claim, ledger.output()) and ledger.audit_count() == entries


def test_many_workers_at_once_get_each_job_once(ledger: Ledger) -> None:
    jobs = {submitted(ledger) for _ in range(12)}

    def take(name: str) -> list[Claim]:
        found = []
        while (claim := ledger.leases.claim(name)) is not None:
            found.append(claim)
        return found

    with ThreadPoolExecutor(4) as pool:
        claims = [claim for each in pool.map(take, "abcd") for claim in each]
    assert len(claims) == len(jobs) and {claim.job for claim in claims} == jobs


def test_three_attempts_then_failed_with_the_reason(ledger: Ledger) -> None:
    job = submitted(ledger)
    for attempt in range(1, ATTEMPTS + 1):
        claim = ledger.claim()
        assert claim.attempt == attempt and ledger.leases.fail(claim, "crashed (signal 11)", again=True)
    failed = ledger.jobs.get(BEN, job)
    assert (failed.state, failed.reason) == (JobState.FAILED, "crashed (signal 11)") and ledger.blob_count() == 0


def test_a_job_whose_workers_vanish_fails_in_the_end(ledger: Ledger) -> None:
    job = submitted(ledger)
    for _ in range(SETBACKS + 1):
        ledger.claim()
        ledger.now += LEASE + 1
    assert ledger.leases.claim("w") is None
    failed = ledger.jobs.get(BEN, job)
    assert failed.state is JobState.FAILED and failed.reason == f"interrupted {SETBACKS} times"


def test_what_is_given_back_does_not_count(ledger: Ledger) -> None:
    job = submitted(ledger)
    for _ in range(2 * ATTEMPTS):
        claim = ledger.claim()
        assert claim.attempt == 1 and ledger.leases.give_back(claim)
    assert ledger.jobs.get(BEN, job).state is JobState.QUEUED


def test_what_is_put_off_lets_others_pass_and_does_not_count_as_an_attempt(ledger: Ledger) -> None:
    stuck, other = submitted(ledger), submitted(ledger)
    assert ledger.leases.put_off(ledger.claim(), "put off: the disk is full")
    waiting = ledger.jobs.get(BEN, stuck)
    assert (waiting.state, waiting.reason, waiting.place) == (JobState.QUEUED, "put off: the disk is full", 2)
    claim = ledger.claim()
    assert claim.job == other and ledger.leases.publish(claim, ledger.output())
    claim = ledger.claim()
    assert (claim.job, claim.attempt) == (stuck, 1) and ledger.leases.publish(claim, ledger.output())
    assert ledger.jobs.get(BEN, stuck).reason is None


def test_interruptions_come_at_ever_longer_distances_and_end_at_last(ledger: Ledger) -> None:
    job = submitted(ledger)
    for setback in range(SETBACKS):
        if setback > 2:
            assert ledger.leases.claim("w") is None, "not at once"
            ledger.now += 601
        assert ledger.claim().attempt == 1 and ledger.leases.recover() == 1
    ledger.now += 601
    assert ledger.leases.claim("w") is None
    failed = ledger.jobs.get(BEN, job)
    assert (failed.state, failed.reason) == (JobState.FAILED, f"interrupted {SETBACKS} times")


class Stuck(Blobs):
    """A store that deletes nothing."""

    def delete(self, *names: str | None) -> None:
        raise OSError(5, "Input/output error")


def test_what_cannot_be_deleted_does_not_undo_what_was_published(ledger: Ledger) -> None:
    job = submitted(ledger)
    ledger.leases._blobs = Stuck(ledger.blobs._store, ledger.blobs._folder)
    assert ledger.leases.publish(ledger.claim(), ledger.output())
    done = ledger.jobs.get(BEN, job)
    assert done.result is not None and b"".join(ledger.blobs.read(done.result.blob)) == b"masked"
    assert remove_orphans(ledger.database, ledger.blobs) == 1, "the original goes later"


def test_a_clock_that_is_set_back_does_not_hold_a_dead_worker_s_job(ledger: Ledger) -> None:
    submitted(ledger)
    ledger.claim("dead")
    ledger.now -= 3600
    assert ledger.leases.claim("w2") is not None


def test_a_clock_that_is_set_ahead_does_not_cost_a_living_worker_its_job(ledger: Ledger) -> None:
    submitted(ledger)
    claim = ledger.claim()
    ledger.now += 3600
    assert ledger.leases.beat(claim, 0.1, None) and ledger.leases.claim("w2") is None


def test_a_clock_that_is_set_back_loses_nothing_and_nothing_early(ledger: Ledger) -> None:
    before, running, waiting = (submitted(ledger) for _ in range(3))
    assert ledger.leases.publish(ledger.claim(), ledger.output(b"first"))
    claim = ledger.claim()
    ledger.now -= 3600
    assert ledger.jobs.expire() == 0 and ledger.leases.held(claim)
    assert ledger.leases.beat(claim, 0.5, None), "it is alive, and so it stays its worker's"
    other = ledger.claim("w2")
    assert other.job == waiting, "nobody takes a living worker's job away"
    for each, content in ((claim, b"second"), (other, b"third")):
        assert ledger.leases.publish(each, ledger.output(content)) and not ledger.leases.publish(each, ledger.output())
    ledger.now += KEEP - 1
    assert ledger.jobs.expire() == 0
    assert [ledger.jobs.get(BEN, job).state for job in (before, running, waiting)] == [JobState.DONE] * 3
    ledger.now += 3601
    assert ledger.jobs.expire() == 3 and ledger.blob_count() == 0
