"""Real Celery workers on a real Redis: what is lost on the way is done all the same, and each job once."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
import time
from typing import Any

import pytest
from kombu.messaging import Producer
from sqlalchemy import func, select

from streamer.cluster.app import STEP, UNITS, celery_app
from streamer.cluster.sending import Sending
from streamer.cluster.sweep import Sweep
from streamer.service.jobs.job import Job, JobState
from streamer.service.jobs.step import StepId, StepKind
from streamer.service.store.tables import AuditRow
from tests.rigs.cluster.far_work import ANNA, Office, alive
from tests.rigs.cluster.redis_server import RedisServer
from tests.rigs.cluster.server_process import children

CUT = b"unit 0; unit 1; unit 2; "


def running(job: Job) -> bool:
    return job.state is JobState.RUNNING


def published(office: Office) -> int:
    with office.database.reading() as session:
        return session.scalar(select(func.count()).where(AuditRow.entry.contains('"action":"result"'))) or 0


def queued(redis: RedisServer, count: int) -> list[dict[str, Any]]:
    """Messages that wait, once there are so many."""
    end = time.monotonic() + 30
    with redis.client() as client:
        while (found := int(client.llen(UNITS))) < count:
            assert time.monotonic() < end, f"{found} messages"
            time.sleep(0.05)
        return [json.loads(each) for each in client.lrange(UNITS, 0, -1)]


def test_messages_are_ids_in_json_and_nothing_else_is_taken(office: Office, redis_server: RedisServer) -> None:
    job = office.submit("cut well")
    [message] = queued(redis_server, 1)
    assert message["content-type"] == "application/json"
    arguments, _, _ = json.loads(base64.b64decode(message["body"]))
    assert arguments == [job, "whole", None]
    other = celery_app(office.broker)
    with other.connection_for_write() as connection:
        foreign = Producer(connection)  # type: ignore[no-untyped-call]
        body = {"task": STEP, "id": "1", "args": ["x"]}
        foreign.publish(body, serializer="pickle", routing_key=UNITS, exchange=UNITS)  # type: ignore[no-untyped-call]
    events = list[dict[str, Any]]()
    ready = threading.Event()

    def listen() -> None:
        with other.connection_for_read() as connection:
            receiver = other.events.Receiver(connection, handlers={"*": events.append})
            ready.set()
            for _ in receiver.itercapture(limit=None, timeout=60, wakeup=True):
                if any(event["type"] == "task-succeeded" for event in events):
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert ready.wait(30)
    with office.worker():
        assert office.result(job) == CUT
        thread.join(60)
    assert {"task-received", "task-started", "task-succeeded"} <= {event["type"] for event in events}
    assert published(office) == 1


def test_a_job_is_taken_in_while_redis_is_away_and_done_when_it_is_back(
    office: Office, redis_server: RedisServer
) -> None:
    redis_server.kill()
    begun = time.monotonic()
    early = office.submit("well early")
    assert time.monotonic() - begun < 2, "nobody waits for Redis"
    redis_server.start()
    with office.worker():
        assert office.result(early) == b"early"


def test_what_redis_forgets_is_done(office: Office, redis_server: RedisServer) -> None:
    with office.worker() as worker:
        note = office.folder / "pid"
        blocking = office.submit(f"hang {note}")
        office.until(blocking, running)
        jobs = [office.submit(f"well {number}") for number in range(3)]
        queued(redis_server, 3)
        with redis_server.client() as client:
            client.flushall()
        office.jobs.delete(ANNA, blocking)
        assert [office.result(job) for job in jobs] == [b"0", b"1", b"2"]
        assert published(office) == 4 and worker.process.poll() is None


@pytest.mark.parametrize("how", ["killed", "restarted", "paused"])
def test_nobody_is_deaf_after_redis_was_away(office: Office, redis_server: RedisServer, how: str) -> None:
    with office.worker() as worker:
        assert office.result(office.submit("well before")) == b"before"
        if how == "paused":
            with redis_server.paused():
                time.sleep(12)  # longer than any answer is waited for
        else:
            redis_server.kill() if how == "killed" else redis_server.stop()
            time.sleep(2)
            redis_server.start()
        jobs = [office.submit(f"well {number}") for number in range(3)]
        assert [office.result(job) for job in jobs] == [b"0", b"1", b"2"]
        assert office.result(office.submit("cut well")) == CUT
        assert "nothing comes" not in worker.log, "Celery has come back by itself"


def test_a_worker_that_stops_lets_steps_end_and_gives_back_what_takes_longer(office: Office) -> None:
    note = office.folder / "pid"
    slow = office.submit(f"hang {note}")
    with office.worker("w", "--concurrency", "1", "--pictures", "0", "--grace", "2") as worker:
        office.until(slow, running)
        waiting = office.submit("well later")
        begun = time.monotonic()
        worker.terminate()
        assert worker.process.wait(60) == 0 and time.monotonic() - begun > 2, worker.log
    assert office.jobs.get(ANNA, slow).state is JobState.QUEUED and office.leases.counts()[StepKind.WHOLE, False] == 2
    office.jobs.delete(ANNA, slow)
    with office.worker("other"):
        assert office.result(waiting) == b"later"


def test_a_second_sigterm_gives_everything_back_at_once(office: Office) -> None:
    slow = office.submit(f"hang {office.folder / 'pid'}")
    with office.worker("w", "--concurrency", "1", "--pictures", "0", "--grace", "3000") as worker:
        office.until(slow, running)
        worker.terminate()
        worker.wait_for("steps that run have 3000 seconds")
        worker.terminate()
        assert worker.process.wait(60) == 0, worker.log
    assert office.jobs.get(ANNA, slow).state is JobState.QUEUED


def test_a_killed_worker_leaves_no_process_and_another_one_goes_on(office: Office) -> None:
    note = office.folder / "pid"
    job = office.submit(f"cut hang {note}")
    with office.worker("first") as first:
        office.until(job, lambda _: note.exists() and note.read_text() != "")
        process = int(note.read_text())
        first.kill()
    assert not alive(process)
    with office.worker("second"):
        office.until(job, lambda _: int(note.read_text() or process) != process)
        office.jobs.delete(ANNA, job)
    assert published(office) == 1


def test_a_stopped_worker_s_step_is_done_by_another_and_counts_once(office: Office) -> None:
    note = office.folder / "pid"
    with office.worker("first") as first:
        job = office.submit(f"once {note}")
        office.until(job, lambda _: note.exists() and note.read_text() != "")
        first.signal(signal.SIGSTOP)
        try:
            with office.worker("second"):
                assert office.result(job) == b"the second time"
        finally:
            first.signal(signal.SIGCONT)
        assert office.result(office.submit("well after")) == b"after", "it goes on with others"
    assert published(office) == 2 and not alive(int(note.read_text()))


def test_a_celery_process_that_dies_is_started_again(office: Office) -> None:
    with office.worker() as worker:
        celery, *_ = children(worker.process.pid)
        os.kill(celery, signal.SIGKILL)
        worker.wait_for("has ended .code -9. and is started again")
        assert office.result(office.submit("well after")) == b"after"


@pytest.mark.slow
def test_a_celery_process_that_hears_nothing_is_started_again(office: Office) -> None:
    with office.worker() as worker:
        celery, *_ = children(worker.process.pid)
        os.kill(celery, signal.SIGSTOP)  # its connections stay, as those of a consumer that is deaf
        job = office.submit("well after")
        worker.wait_for("nothing comes")
        assert office.result(job) == b"after"


def test_two_sweeps_at_once_do_no_harm(office: Office, redis_server: RedisServer) -> None:
    jobs = [office.submit(f"well {number}", ring=False) for number in range(3)]
    sweeps = [Sweep(office.database, office.leases, Sending(celery_app(office.broker)), office.asked) for _ in range(2)]
    assert sorted(sweep.run() for sweep in sweeps) == [0, 3], "one at a time"
    Sending(celery_app(office.broker)).steps([StepId(job, StepKind.WHOLE) for job in jobs])  # as if both had swept
    assert len(queued(redis_server, 6)) == 6
    with office.worker():
        assert [office.result(job) for job in jobs] == [b"0", b"1", b"2"]
    assert published(office) == 3
