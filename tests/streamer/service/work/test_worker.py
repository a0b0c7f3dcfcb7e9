"""Workers: real jobs in real processes, and processes that break down in every way."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import pytest
from sqlalchemy import select, update

from streamer.service.api.job_json import job_json
from streamer.service.jobs.job import Job, JobState
from streamer.service.jobs.leases import LEASE, Leases
from streamer.service.jobs.settings import JobSettings
from streamer.service.jobs.step import Claim, Output
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import StorageError
from streamer.service.store.tables import JobRow
from streamer.service.work import heartbeat, job_process, step_work, worker
from streamer.service.work.doorbell import Doorbell
from streamer.service.work.step_work import JobLimits
from streamer.service.work.task import Said
from streamer.service.work.worker import Worker
from streamer.settings.file import Settings
from tests.rigs import faces
from tests.rigs.service.ledger import BEN, Ledger

LIMITS = JobLimits(memory=200 << 20, seconds=60, file_bytes=1 << 30)
ROOMY = JobLimits(memory=2000 << 20, seconds=100, file_bytes=1 << 30)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "work").mkdir()
    return Ledger(tmp_path)


Start = Callable[[JobLimits], Worker]


@pytest.fixture
def start(ledger: Ledger) -> Iterator[Start]:
    """Starts workers, which are closed in the end."""
    running = []

    def begin(limits: JobLimits) -> Worker:
        made = Worker(1, ledger.leases, ledger.blobs, ledger.folder / "work", Settings(), limits, Doorbell())
        running.append(made)
        made.start()
        return made

    yield begin
    for each in running:
        assert each.close() and each.error is None
    assert list((ledger.folder / "work").iterdir()) == [], "no scratch files are left"


@pytest.fixture
def bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in `bad_process`, and everything is tried again at once."""
    monkeypatch.setattr(job_process, "_MODULE", "tests.rigs.service.bad_process")
    monkeypatch.setattr(job_process, "_KEPT", (*job_process._KEPT, "PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[4]))
    monkeypatch.setattr(worker, "TROUBLE", 0.2)
    monkeypatch.setattr(step_work, "TROUBLE", 0.2)
    monkeypatch.setattr(step_work, "AGAIN", 0.1)
    monkeypatch.setattr(worker, "PAUSE", 0.1)


def until(ledger: Ledger, job: str, good: Callable[[Job], bool], timeout: float = 60.0) -> Job:
    """The job, once it is as wanted."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = ledger.jobs.get(BEN, job)
        if good(found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"still {found}")


def submit(ledger: Ledger, content: bytes | str, settings: JobSettings | None = None) -> str:
    content = content.encode() if isinstance(content, str) else content
    ledger.uploads.max_bytes = 1 << 30
    return ledger.jobs.submit(BEN, ledger.upload(content=content), settings or JobSettings()).job.id


def test_crashes_are_tried_again_and_then_have_a_reason(ledger: Ledger, start: Start, bad: None) -> None:
    job = submit(ledger, "crash")
    well = submit(ledger, "well done")
    start(LIMITS)
    failed = until(ledger, job, lambda found: not found.active)
    assert (failed.state, failed.reason) == (JobState.FAILED, "crashed (signal 11)")
    done = until(ledger, well, lambda found: not found.active)
    assert done.state is JobState.DONE and done.result is not None
    assert b"".join(ledger.blobs.read(done.result.blob)) == b"done"


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("hog", "needed more than 200 MB of memory"),
        ("babble", "its process said what makes no sense"),
        ("nothing", "its process left no result"),
        ("link SECRET", "its process left a result that is no plain file"),
        ("second-name SECRET", "its process left a result that is no plain file"),
        ("silent", "ended without a result (code 0)"),
    ],
)
def test_a_bad_process_costs_only_its_job(ledger: Ledger, start: Start, bad: None, deed: str, reason: str) -> None:
    secret = ledger.folder / "secret"
    secret.write_text("somebody else's")
    job = submit(ledger, deed.replace("SECRET", str(secret)))
    start(LIMITS)
    failed = until(ledger, job, lambda found: not found.active)
    assert (failed.state, failed.reason, failed.result) == (JobState.FAILED, reason, None)
    until(ledger, job, lambda _: ledger.blob_count() == 0)  # files go once the end counts


def hanging(ledger: Ledger) -> tuple[str, Callable[[], int]]:
    """A job that does not end, and what tells its process once that runs."""
    note = ledger.folder / "pid"
    job = submit(ledger, f"hang {note}")

    def process() -> int:
        until(ledger, job, lambda found: note.exists() and note.read_text() != "")
        return int(note.read_text())

    return job, process


def gone(process: int) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_cancelling_ends_the_process(ledger: Ledger, start: Start, bad: None) -> None:
    job, process = hanging(ledger)
    start(LIMITS)
    running = process()
    begun = time.monotonic()
    ledger.jobs.delete(BEN, job)
    assert gone(running) and time.monotonic() - begun < 10
    assert ledger.blob_count() == 0


def test_a_job_that_takes_too_long_fails(ledger: Ledger, start: Start, bad: None) -> None:
    job, _ = hanging(ledger)
    start(JobLimits(200 << 20, 0.5, 1 << 20))
    assert until(ledger, job, lambda found: not found.active).reason == "took longer than 0.000138889 hours"


def test_closing_gives_the_job_back(ledger: Ledger, start: Start, bad: None) -> None:
    job, process = hanging(ledger)
    made = start(LIMITS)
    running = process()
    assert made.close() and gone(running)
    waiting = ledger.jobs.get(BEN, job)
    assert waiting.state is JobState.QUEUED and waiting.reason is None
    assert ledger.claim().attempt == 1


def test_a_worker_that_lost_its_job_stops_working_on_it(ledger: Ledger, start: Start, bad: None) -> None:
    _, process = hanging(ledger)
    start(LIMITS)
    running = process()
    ledger.now += LEASE + 1
    other = ledger.claim("other")
    assert gone(running)
    assert ledger.leases.publish(other, ledger.output())


def test_a_full_disk_puts_a_job_off(ledger: Ledger, start: Start, bad: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_work, "is_full", lambda folder: True)
    job, other = submit(ledger, "full"), submit(ledger, "well done")
    start(LIMITS)
    assert until(ledger, other, lambda found: not found.active).state is JobState.DONE, "others go on"
    put_off = until(ledger, job, lambda found: found.reason is not None)
    assert put_off.reason == "put off: the disk is full" and put_off.active


def test_that_the_disk_is_full_must_be_true(ledger: Ledger, start: Start, bad: None) -> None:
    job = submit(ledger, "full")
    start(LIMITS)
    failed = until(ledger, job, lambda found: not found.active)
    assert (failed.state, failed.reason) == (JobState.FAILED, "the disk is full")


def test_a_job_whose_original_is_gone_fails(ledger: Ledger, start: Start, bad: None) -> None:
    job, other = submit(ledger, "well done"), submit(ledger, "well again")
    [first, *_] = sorted(ledger.blobs.names())
    ledger.blobs.delete(first)
    start(LIMITS)
    states = {until(ledger, each, lambda found: not found.active).reason for each in (job, other)}
    assert states == {None, "its original is gone"}


def test_settings_that_make_no_sense_any_more_fail_their_job_alone(ledger: Ledger, start: Start, bad: None) -> None:
    job, other = submit(ledger, "well done"), submit(ledger, "well again")
    with ledger.database.writing() as session:
        session.execute(update(JobRow).where(JobRow.id == job).values(settings='{"gone": 1}'))
    start(LIMITS)
    assert until(ledger, other, lambda found: not found.active).state is JobState.DONE
    failed = until(ledger, job, lambda found: not found.active)
    assert (failed.state, failed.reason) == (JobState.FAILED, "its settings make no sense to this version")
    assert job_json(failed).settings == {"gone": 1}, "it is still listed"


def test_a_copy_that_takes_longer_than_a_lease_does_not_cost_the_job(
    ledger: Ledger, start: Start, bad: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT", 0.2)
    job = submit(ledger, "well done")
    going, fetch = threading.Event(), Blobs.fetch

    def slow(blobs: Blobs, names: Sequence[str], target: Path) -> None:
        assert going.wait(60)
        fetch(blobs, names, target)

    monkeypatch.setattr(Blobs, "fetch", slow)
    start(LIMITS)
    until(ledger, job, lambda found: found.state is JobState.RUNNING)
    for _ in range(3):
        ledger.now += LEASE - 1
        end = time.monotonic() + 30
        while leased_until(ledger) < ledger.now + LEASE and time.monotonic() < end:
            time.sleep(0.02)
        assert ledger.leases.claim("another") is None
    going.set()
    assert until(ledger, job, lambda found: not found.active).state is JobState.DONE


def leased_until(ledger: Ledger) -> float:
    with ledger.database.reading() as session:
        return session.scalar(select(JobRow.lease_until)) or 0.0


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 60_000,
        b'{"progress": 1e400, "blame": "file"}',
        b'{"progress": NaN, "blame": "file"}',
        b'{"progress": -1, "blame": "file"}',
        b'{"progress": true, "blame": "file"}',
        b'{"progress": ' + b"9" * 400 + b', "blame": "file"}',
        b'{"failed": 1, "blame": "file"}',
        b'{"blame": "you"}',
        b"7",
    ],
)
def test_what_a_process_says_is_not_trusted(line: bytes) -> None:
    with pytest.raises(ValueError):
        Said.read(line)


def test_a_reason_is_one_short_line_of_text() -> None:
    said = Said.read(json.dumps({"failed": "\ud800\n" * 1000, "blame": "file"}).encode())
    assert said.failed is not None and said.failed.isprintable() and said.failed.encode()


def test_a_result_waits_for_the_disk(ledger: Ledger, start: Start, bad: None, monkeypatch: pytest.MonkeyPatch) -> None:
    job = submit(ledger, "well done")
    full = threading.Event()
    full.set()
    put = Blobs.put

    def limited(blobs: Blobs, content: bytes | Path) -> str:
        if full.is_set():
            raise OSError(28, "No space left on device")
        return put(blobs, content)

    monkeypatch.setattr(Blobs, "put", limited)
    start(LIMITS)
    until(ledger, job, lambda found: found.reason == "put off: no space left on device")
    full.clear()
    assert until(ledger, job, lambda found: not found.active).state is JobState.DONE


def test_a_database_without_room_costs_a_wait_and_no_attempt(
    ledger: Ledger, start: Start, bad: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(ledger, "well done")
    full, tried = threading.Event(), threading.Event()
    full.set()
    publish = Leases.publish

    def without_room(*_: object) -> bool:
        raise StorageError(28, "No space left on device")

    def limited(leases: Leases, claim: Claim, output: Output) -> bool:
        tried.set()
        return without_room() if full.is_set() else publish(leases, claim, output)

    monkeypatch.setattr(step_work, "LOOK", 0.0)
    monkeypatch.setattr(Leases, "held", without_room)
    monkeypatch.setattr(Leases, "publish", limited)
    start(LIMITS)
    assert tried.wait(60)
    full.clear()
    assert until(ledger, job, lambda found: not found.active).state is JobState.DONE
    with ledger.database.reading() as session:
        assert session.scalar(select(JobRow.attempts)) == 1


@pytest.mark.slow
def test_a_real_video_and_a_real_picture(ledger: Ledger, start: Start) -> None:
    film = faces.write(ledger.folder / "film.mp4", faces.panned().pictures[:20])
    video = submit(ledger, film.read_bytes(), JobSettings(masks=True, audio="drop"))
    ok, coded = cv2.imencode(".png", faces.astronaut())
    assert ok
    photo = submit(ledger, coded.tobytes())
    junk = submit(ledger, os.urandom(5000))
    start(ROOMY)
    for job, kind in ((video, "video/mp4"), (photo, "image/png")):
        done = until(ledger, job, lambda found: not found.active, 120)
        assert done.state is JobState.DONE, done.reason
        assert done.result is not None and done.result.media_type == kind and done.report is not None
        report = b"".join(ledger.blobs.read(done.report)).decode()
        assert '"path": "original"' in report and str(ledger.folder) not in report
        assert (done.masks is not None) == (job == video)
    failed = until(ledger, junk, lambda found: not found.active)
    assert failed.state is JobState.FAILED and failed.reason is not None and "/" not in failed.reason
