"""The thread that sends what is due."""

from __future__ import annotations

import queue
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from streamer.service.store.database import BusyError, Database
from streamer.service.store.tables import DeliveryRow
from streamer.service.webhooks import sender as room
from streamer.service.webhooks.courier import Courier, WebhookAnswer
from streamer.service.webhooks.deliveries import Deliveries, Delivery
from streamer.service.webhooks.sender import WebhookSender
from streamer.service.webhooks.target import WebhookPolicy
from tests.streamer.service.webhooks.receiver import Clock, Receiver, Respond, add_job, end, plan, silence, status

LOOSE = WebhookPolicy(allow_http=True, allow_private=True)
TLS = ssl.create_default_context()

Receive = Callable[[Respond], Receiver]


class Told(Deliveries):
    """Says what it has noted, so that tests need not look again and again."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock, LOOSE, lambda: 1.0)
        self.noted: queue.Queue[tuple[str, str]] = queue.Queue()

    def succeeded(self, delivery: Delivery) -> None:
        super().succeeded(delivery)
        self.noted.put(("succeeded", delivery.job))

    def failed(self, delivery: Delivery, line: str, retry_after: float | None = None) -> float | None:
        pause = super().failed(delivery, line, retry_after)
        self.noted.put((line, delivery.job))
        return pause

    def gone(self, delivery: Delivery) -> int:
        ended = super().gone(delivery)
        self.noted.put(("gone", delivery.job))
        return ended


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_EVERY", 0.02)


@contextmanager
def sending(*senders: WebhookSender) -> Iterator[None]:
    for each in senders:
        each.start()
    try:
        yield
    finally:
        ended = [each.close(20) for each in senders]
    assert all(ended)


def in_turn(*codes: int) -> Respond:
    left = iter(codes)
    return lambda handler, request: status(next(left))(handler, request)


def ready(database: Database, deliveries: Deliveries, url: str, *jobs: str) -> None:
    for job in jobs:
        add_job(database, job)
        plan(database, deliveries, job, url)
        end(database, deliveries, job)


def test_what_fails_is_sent_again_when_it_is_due(database: Database, clock: Clock, receive: Receive) -> None:
    receiver, deliveries = receive(in_turn(500, 200)), Told(database, clock)
    ready(database, deliveries, receiver.url, "j")
    with sending(WebhookSender(deliveries, Courier(LOOSE, clock, tls=TLS))):
        assert deliveries.noted.get(timeout=20) == ("answered 500", "j")
        first = receiver.received.get(timeout=20)
        clock.now += 5
        assert deliveries.noted.get(timeout=20) == ("succeeded", "j")
    second = receiver.received.get(timeout=20)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] and first.body == second.body
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 5
    assert receiver.received.empty()


def test_gone_is_the_end_at_once(database: Database, clock: Clock, receive: Receive) -> None:
    receiver, deliveries = receive(status(410)), Told(database, clock)
    ready(database, deliveries, receiver.url, "j")
    with sending(WebhookSender(deliveries, Courier(LOOSE, clock, tls=TLS))):
        assert deliveries.noted.get(timeout=20) == ("gone", "j")
    clock.now += 1e7
    assert deliveries.claim(9) == [] and receiver.received.qsize() == 1


def test_two_servers_on_one_database_send_each_once(database: Database, clock: Clock, receive: Receive) -> None:
    receiver, deliveries = receive(status(200)), Told(database, clock)
    jobs = [f"j{number}" for number in range(12)]
    ready(database, deliveries, receiver.url, *jobs)
    with sending(*[WebhookSender(deliveries, Courier(LOOSE, clock, tls=TLS)) for _ in range(2)]):
        assert sorted(deliveries.noted.get(timeout=30)[1] for _ in jobs) == sorted(jobs)
    ids = [receiver.received.get(timeout=1).headers["webhook-id"] for _ in jobs]
    assert len(set(ids)) == 12 and receiver.received.empty()


class Troubled(Told):
    """A database that is locked now and then."""

    troubles = 3

    def claim(self, most: int) -> list[Delivery]:
        if self.troubles:
            self.troubles -= 1
            raise BusyError("the database is locked by another process")
        return super().claim(most)


class Clumsy(Courier):
    """Has a fault in the program itself."""

    async def post(self, delivery: Delivery) -> WebhookAnswer:
        if delivery.job == "bad":
            raise ZeroDivisionError
        return await super().post(delivery)


def test_it_outlives_every_error(
    database: Database, clock: Clock, receive: Receive, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, deliveries = receive(status(200)), Troubled(database, clock)
    ready(database, deliveries, receiver.url, "bad", "good")
    sender = WebhookSender(deliveries, Clumsy(LOOSE, clock, tls=TLS))
    with sending(sender):
        assert deliveries.noted.get(timeout=20) == ("succeeded", "good")
        assert sender.alive
    assert caplog.text.count("cannot look for webhooks") == 1 and "ZeroDivisionError" in caplog.text
    with database.reading() as session:
        assert [row.job for row in session.scalars(select(DeliveryRow))] == ["bad"], "left for later"


def test_it_ends_although_receivers_are_slow_and_what_is_broken_off_is_due_later(
    database: Database, clock: Clock, receive: Receive
) -> None:
    receiver, deliveries = receive(silence()), Told(database, clock)
    jobs = [f"j{number}" for number in range(6)]
    ready(database, deliveries, receiver.url, *jobs)
    sender = WebhookSender(deliveries, Courier(LOOSE, clock, tls=TLS, patience=1000))
    with sending(sender):
        for _ in range(4):
            receiver.received.get(timeout=20)
    assert not sender.alive and deliveries.noted.empty()
    assert len(deliveries.claim(9)) == 2, "no more than four at a time"
    clock.now += 60
    assert len(deliveries.claim(9)) == 6
