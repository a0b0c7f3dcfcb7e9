"""Jobs that are cut into units: each unit counts once, the last one lets them be joined, and the job is one job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from streamer.service.jobs.job import JobState
from streamer.service.jobs.leases import ATTEMPTS, LEASE, SETBACKS
from streamer.service.jobs.orphans import remove_orphans
from streamer.service.jobs.settings import JobSettings
from streamer.service.jobs.step import Claim, Cut, StepId, StepKind
from streamer.service.store.tables import UnitRow
from tests.rigs.service.ledger import BEN, KEEP, Ledger


def submitted(ledger: Ledger) -> str:
    return ledger.jobs.submit(BEN, ledger.upload(), JobSettings()).job.id


def cut(ledger: Ledger, units: int = 3) -> str:
    job, others = submitted(ledger), list[Claim]()
    while (claim := ledger.claim("w")).job != job:
        others.append(claim)
    assert all(map(ledger.leases.give_back, others))
    assert ledger.leases.cut(claim, Cut("settings", tuple(map(str, range(units))), (1 / units,) * units))
    return job


def unit(ledger: Ledger, text: str = "pictures") -> Path:
    path = ledger.folder / "unit"
    path.write_text(text)
    return path


def rows(ledger: Ledger) -> int:
    with ledger.database.reading() as session:
        return session.scalar(select(func.count()).select_from(UnitRow)) or 0


def test_from_units_to_the_result(ledger: Ledger) -> None:
    job = cut(ledger)
    other = submitted(ledger)
    claims = [ledger.claim(name) for name in "abc"]
    assert [(claim.job, claim.kind, claim.span, claim.plan) for claim in claims] == [
        (job, StepKind.UNIT, span, "settings") for span in "012"
    ], "the oldest job comes first"
    assert ledger.claim("d").job == other
    for claim in reversed(claims):
        assert ledger.jobs.get(BEN, job).state is JobState.RUNNING
        assert ledger.leases.publish_unit(claim, unit(ledger, f"unit {claim.span}"))
    join = ledger.claim("a")
    assert (join.job, join.kind, join.attempt) == (job, StepKind.JOIN, 1)
    assert [b"".join(ledger.blobs.read(blob)) for blob in join.units] == [b"unit 0", b"unit 1", b"unit 2"]
    assert ledger.leases.publish(join, ledger.output())
    assert ledger.jobs.get(BEN, job).state is JobState.DONE
    assert rows(ledger) == 0 and remove_orphans(ledger.database, ledger.blobs) == 0
    assert not set(join.units) & set(ledger.blobs.names())


def test_a_latecomer_publishes_nothing(ledger: Ledger) -> None:
    job = cut(ledger)
    first = ledger.claim("late")
    ledger.now += LEASE + 1
    second = ledger.claim("w2")
    assert second.step == first.step and second.attempt == 1 and not ledger.leases.held(first)
    assert not ledger.leases.beat(first, 0.9, None)
    published = [ledger.leases.publish_unit(claim, unit(ledger)) for claim in (first, second, second, first)]
    assert published == [False, True, False, False]
    assert ledger.blob_count() == 2 and ledger.jobs.get(BEN, job).active, "the original and one unit"


def test_three_tries_a_unit_and_then_its_job_fails_with_the_reason(ledger: Ledger) -> None:
    job = cut(ledger)
    assert ledger.leases.publish_unit(ledger.claim(), unit(ledger))
    for attempt in range(1, ATTEMPTS + 1):
        claim = ledger.claim()
        assert (claim.number, claim.attempt) == (1, attempt)
        assert ledger.leases.fail(claim, "crashed (signal 11)", again=True)
    failed = ledger.jobs.get(BEN, job)
    assert (failed.state, failed.reason) == (JobState.FAILED, "crashed (signal 11)")
    assert rows(ledger) == 0 and ledger.blob_count() == 0 and ledger.leases.claim("w") is None


def test_a_unit_whose_workers_vanish_fails_its_job(ledger: Ledger) -> None:
    job = cut(ledger, 2)
    other = ledger.claim()
    for _ in range(SETBACKS + 1):
        assert ledger.claim().number == 1 and ledger.leases.beat(other, 0.5, None)
        ledger.now += LEASE / 2
        assert ledger.leases.beat(other, 0.5, None)
        ledger.now += LEASE / 2 + 1
    assert ledger.leases.claim("w") is None
    failed = ledger.jobs.get(BEN, job)
    assert failed.state is JobState.FAILED and failed.reason == f"interrupted {SETBACKS} times"
    assert not ledger.leases.held(other) and not ledger.leases.publish_unit(other, unit(ledger))
    assert ledger.blob_count() == 0


def test_what_is_given_back_or_put_off_is_no_attempt_and_does_not_queue_the_job(ledger: Ledger) -> None:
    job = cut(ledger, 2)
    for _ in range(2 * ATTEMPTS):
        assert ledger.leases.give_back(ledger.claim())
    assert ledger.leases.put_off(ledger.claim(), "put off: no space left")
    claim = ledger.claim()
    assert (claim.number, claim.attempt) == (1, 1) and ledger.jobs.get(BEN, job).state is JobState.RUNNING
    assert ledger.leases.publish_unit(claim, unit(ledger))
    assert ledger.leases.publish_unit(ledger.claim(), unit(ledger))
    for _ in range(2 * ATTEMPTS):
        assert ledger.leases.give_back(ledger.claim())
        assert ledger.jobs.get(BEN, job).state is JobState.RUNNING
    assert ledger.leases.publish(ledger.claim(), ledger.output())


def test_setbacks_of_a_unit_end_at_last(ledger: Ledger) -> None:
    job = cut(ledger, 2)
    for _ in range(2 * SETBACKS):
        ledger.now += 601
        assert ledger.leases.put_off(ledger.claim(), "put off: no space left on device")
    ledger.now += 601
    assert ledger.leases.claim("w") is None
    assert ledger.jobs.get(BEN, job).reason == "put off: no space left on device"


def test_progress_is_the_job_s(ledger: Ledger) -> None:
    job = cut(ledger, 4)
    claims = [ledger.claim() for _ in range(4)]
    ledger.now += 10
    assert ledger.leases.publish_unit(claims[0], unit(ledger)) and ledger.leases.beat(claims[1], 0.5, 3.0)
    seen = ledger.jobs.get(BEN, job)
    assert seen.progress == pytest.approx(0.95 * 1.5 / 4) and seen.seconds_left == pytest.approx(18.1)
    for claim in claims[1:]:
        assert ledger.leases.publish_unit(claim, unit(ledger))
    assert ledger.leases.beat(ledger.claim(), 0.5, 1.0)
    assert ledger.jobs.get(BEN, job).progress == pytest.approx(0.975)


def test_cancelling_takes_the_units_along(ledger: Ledger) -> None:
    job = cut(ledger)
    done, working = ledger.claim(), ledger.claim()
    assert ledger.leases.publish_unit(done, unit(ledger))
    ledger.jobs.delete(BEN, job)
    assert not ledger.leases.held(working) and not ledger.leases.publish_unit(working, unit(ledger))
    assert rows(ledger) == 0 and ledger.blob_count() == 0
    ledger.now += KEEP + 1
    assert ledger.jobs.expire() == 1


def test_units_that_are_kept_are_no_orphans(ledger: Ledger) -> None:
    cut(ledger)
    assert ledger.leases.publish_unit(ledger.claim(), unit(ledger))
    assert remove_orphans(ledger.database, ledger.blobs) == 0 and ledger.blob_count() == 2


def test_a_killed_server_s_units_wait_again_and_what_is_done_stays_done(ledger: Ledger) -> None:
    job = cut(ledger)
    assert ledger.leases.publish_unit(ledger.claim(), unit(ledger))
    ledger.claim()
    assert ledger.leases.recover() == 1
    claims = [ledger.claim(), ledger.claim()]
    assert [(claim.number, claim.attempt) for claim in claims] == [(2, 1), (1, 1)]
    for claim in claims:
        assert ledger.leases.publish_unit(claim, unit(ledger))
    ledger.claim()
    assert ledger.leases.recover() == 1 and ledger.claim().kind is StepKind.JOIN
    assert ledger.jobs.get(BEN, job).state is JobState.RUNNING


def test_what_is_free_and_who_is_at_work(ledger: Ledger) -> None:
    job, waiting = cut(ledger, 2), submitted(ledger)
    free = [StepId(job, StepKind.UNIT, 0), StepId(job, StepKind.UNIT, 1), StepId(waiting, StepKind.WHOLE)]
    assert ledger.leases.free(10) == free and ledger.leases.free(2) == free[:2]
    assert ledger.leases.free(10, job) == free[:2]
    assert not ledger.leases.at_work("node_1")
    assert ledger.claim("node_1-1").step == free[0] and ledger.leases.at_work("node_1")
    assert not ledger.leases.at_work("node-") and ledger.leases.free(10) == free[1:]
    assert ledger.leases.counts() == {
        (StepKind.WHOLE, True): 0,
        (StepKind.WHOLE, False): 1,
        (StepKind.UNIT, True): 1,
        (StepKind.UNIT, False): 1,
        (StepKind.JOIN, True): 0,
        (StepKind.JOIN, False): 0,
    }


def test_many_workers_at_once_do_each_unit_once_and_join_once(ledger: Ledger) -> None:
    jobs = {cut(ledger, 5) for _ in range(3)}

    def work(name: str) -> list[Claim]:
        found = []
        while (claim := ledger.leases.claim(name)) is not None:
            found.append(claim)
            if claim.kind is StepKind.UNIT:
                assert ledger.leases.publish_unit(claim, path)
        return found

    path = unit(ledger)
    with ThreadPoolExecutor(4) as pool:
        claims = [claim for each in pool.map(work, "abcd") for claim in each]
    expected = {StepId(job, StepKind.UNIT, number) for job in jobs for number in range(5)}
    expected |= {StepId(job, StepKind.JOIN) for job in jobs}
    assert {claim.step for claim in claims} == expected and len(claims) == len(expected)
