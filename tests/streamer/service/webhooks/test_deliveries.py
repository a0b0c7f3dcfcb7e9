"""The account that is kept of webhooks."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from streamer.service.jobs.event import WebhookEvent
from streamer.service.store.database import Database
from streamer.service.store.tables import DeliveryRow, JobRow
from streamer.service.webhooks.deliveries import SCHEDULE, Deliveries, Delivery
from streamer.service.webhooks.errors import InvalidWebhookError
from tests.streamer.service.webhooks.receiver import Clock, add_job, end, plan

URL = "https://hooks.example/a"


@pytest.fixture
def deliveries(database: Database, clock: Clock) -> Deliveries:
    return Deliveries(database, clock, jitter=lambda: 1.0)


def rows(database: Database) -> list[DeliveryRow]:
    with database.reading() as session:
        return list(session.scalars(select(DeliveryRow).order_by(DeliveryRow.number)))


def ready(database: Database, deliveries: Deliveries, job: str = "j", owner: str = "local", url: str = URL) -> None:
    add_job(database, job, owner)
    plan(database, deliveries, job, url)
    end(database, deliveries, job)


def claimed(deliveries: Deliveries) -> Delivery:
    (delivery,) = deliveries.claim(1)
    return delivery


def test_nothing_is_due_until_the_job_has_ended_and_success_leaves_nothing(
    database: Database, deliveries: Deliveries
) -> None:
    add_job(database, "j")
    secret = plan(database, deliveries, "j", URL)
    assert secret.startswith("whsec_") and deliveries.claim(9) == []
    end(database, deliveries, "j", '{"n":1}')
    end(database, deliveries, "j", '{"n":2}')
    delivery = claimed(deliveries)
    assert (delivery.job, delivery.attempt, delivery.url, delivery.body) == ("j", 1, URL, '{"n":1}')
    assert URL not in repr(delivery) and "secret" not in repr(delivery)
    deliveries.succeeded(delivery)
    assert rows(database) == []


def test_a_job_that_does_not_come_about_or_end_has_no_webhook(database: Database, deliveries: Deliveries) -> None:
    with pytest.raises(RuntimeError), database.writing() as session:
        deliveries.plan(session, "j", URL, None)
        raise RuntimeError
    with pytest.raises(InvalidWebhookError), database.writing() as session:
        deliveries.plan(session, "j", "http://hooks.example/", None)
    assert rows(database) == []
    plan(database, deliveries, "j", URL)
    with pytest.raises(RuntimeError), database.writing() as session:
        deliveries.ended(session, "j", WebhookEvent.DONE, "{}")
        raise RuntimeError
    assert deliveries.claim(9) == []


def test_the_schedule_is_kept_to_and_then_it_is_given_up(
    database: Database, deliveries: Deliveries, clock: Clock
) -> None:
    ready(database, deliveries)
    ids = set()
    for number, pause in enumerate(SCHEDULE, 1):
        delivery = claimed(deliveries)
        ids.add(delivery.id)
        assert delivery.attempt == number
        assert deliveries.failed(delivery, "answered 500") == pause
        clock.now += pause - 0.01
        assert deliveries.claim(9) == [], "not yet"
        clock.now += 0.01
    assert deliveries.failed(claimed(deliveries), "answered 500") is None
    (row,) = rows(database)
    assert len(ids) == 1 and (row.due, row.secret, row.url, row.body) == (None, b"", "", None)
    assert row.outcome == "gave up: answered 500"
    clock.now += 1e7
    assert deliveries.claim(9) == []


def test_pauses_vary_by_a_fifth(database: Database, clock: Clock) -> None:
    deliveries = Deliveries(database, clock)
    pauses = []
    for number in range(50):
        ready(database, deliveries, f"j{number}")
        pauses.append(deliveries.failed(claimed(deliveries), "answered 500"))
    seconds = [pause for pause in pauses if pause is not None]
    assert len(set(seconds)) > 40 and 4.0 <= min(seconds) < 4.7 and 5.3 < max(seconds) <= 6.0


@pytest.mark.parametrize(("asked", "pause"), [(2.0, 5.0), (120.0, 120.0), (1e9, 86400.0)])
def test_a_receiver_may_ask_for_a_longer_pause_up_to_a_day(
    database: Database, deliveries: Deliveries, asked: float, pause: float
) -> None:
    ready(database, deliveries)
    assert deliveries.failed(claimed(deliveries), "answered 429", asked) == pause


def test_a_claim_is_for_one_alone_and_runs_out(database: Database, deliveries: Deliveries, clock: Clock) -> None:
    ready(database, deliveries)
    first = claimed(deliveries)
    clock.now += 59
    assert deliveries.claim(9) == [], "somebody is at it"
    clock.now += 1
    second = claimed(deliveries)
    assert (second.attempt, second.id) == (2, first.id)
    due = rows(database)[0].due
    assert deliveries.failed(first, "too late") is None
    assert rows(database)[0].due == due, "what has run out changes nothing"
    assert deliveries.failed(second, "answered 500") == SCHEDULE[1]


def test_a_program_that_dies_at_each_attempt_ends_some_time(
    database: Database, deliveries: Deliveries, clock: Clock
) -> None:
    ready(database, deliveries)
    attempts = 0
    while deliveries.claim(1):
        attempts += 1
        clock.now += 60
    assert attempts == len(SCHEDULE) + 1 and rows(database)[0].secret == b""


def test_many_at_once_share_them_out(database: Database, deliveries: Deliveries) -> None:
    for number in range(30):
        ready(database, deliveries, f"j{number}")
    found: list[str] = []

    def take() -> None:
        while mine := deliveries.claim(2):
            found.extend(each.id for each in mine)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == len(set(found)) == 30


def test_a_receiver_that_is_gone_ends_all_that_its_owner_has_for_it(database: Database, deliveries: Deliveries) -> None:
    ready(database, deliveries, "a")
    ready(database, deliveries, "b")
    ready(database, deliveries, "elsewhere", url="https://hooks.example/b")
    ready(database, deliveries, "another", owner="t2")
    add_job(database, "runs")
    plan(database, deliveries, "runs", URL)
    mine, under_way, *_ = deliveries.claim(9)
    assert deliveries.gone(mine) == 3
    end(database, deliveries, "runs")
    assert deliveries.failed(under_way, "answered 500") is None
    left = {row.job for row in rows(database) if row.due is not None}
    assert left == {"elsewhere", "another"}
    assert {row.job for row in rows(database) if row.secret == row.url.encode() == b""} == {"a", "b", "runs"}


def test_a_deleted_job_leaves_no_account_but_is_still_told_of(database: Database, deliveries: Deliveries) -> None:
    ready(database, deliveries, "told")
    add_job(database, "never ended")
    plan(database, deliveries, "never ended", URL)
    with database.writing() as session:
        for job in session.scalars(select(JobRow)):
            deliveries.forget(session, job.id)
            session.delete(job)
    assert [row.job for row in rows(database)] == ["told"]
    assert deliveries.gone(claimed(deliveries)) == 1
    assert rows(database) == []


def test_a_clock_that_is_set_back_does_not_hold_up_the_first_attempt(
    database: Database, deliveries: Deliveries, clock: Clock
) -> None:
    ready(database, deliveries)
    clock.now -= 3600
    delivery = claimed(deliveries)
    assert delivery.attempt == 1 and deliveries.claim(9) == [], "claimed, it is nobody else's"
