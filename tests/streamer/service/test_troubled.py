"""What the service needs fails for a while: its disk, its database. And it is asked to stop in the middle of a job."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.rigs import faces
from tests.rigs.faults.disk import SmallDisk
from tests.rigs.service.kill_judge import Judge
from tests.rigs.service.running import ended, film, photo, submitted
from tests.rigs.service.serve_process import ServeProcess

pytestmark = pytest.mark.slow

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
LOCKED = 14.0  # seconds: longer than the service waits for another writer
WAIT = 90.0  # seconds


@contextmanager
def serving(data: Path, log: Path) -> Iterator[tuple[ServeProcess, httpx.Client]]:
    with (
        ServeProcess(data, log, "--workers", "1") as serve,
        httpx.Client(base_url=serve.start(), timeout=60) as client,
    ):
        yield serve, client


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def at_rest(data: Path, jobs: list[str]) -> list[str]:
    """What is wrong once all is done."""
    judge = Judge(data)
    try:
        once = [f"{job} was done {judge.results()[job]} times" for job in jobs if judge.results()[job] != 1]
        return judge.always(jobs) + judge.idle(0) + once
    finally:
        judge.close()


def long_film(folder: Path) -> bytes:
    return faces.write(folder / "long.mp4", faces.panned().pictures * 4).read_bytes()


def test_a_full_disk_is_said_and_all_goes_on_once_there_is_room(tmp_path: Path) -> None:
    with SmallDisk(tmp_path, 150) as disk:
        if not disk.is_real:
            pytest.skip("needs the right to mount a file system")
        data = disk.path / "data"
        with serving(data, tmp_path / "log") as (serve, client):
            until(lambda: client.get("/readyz").status_code == 200, "ready")
            content = film(tmp_path)
            upload = client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(content))}).headers["location"]
            half = len(content) // 2
            assert client.patch(upload, content=content[:half], headers={**PIECE, "Upload-Offset": "0"}).is_success
            job = str(submitted(client, long_film(tmp_path))["id"])
            until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "running", "running")
            disk.fill(0)
            assert client.get("/readyz").json()["failed"] == ["disk"]
            rest = {**PIECE, "Upload-Offset": str(half)}
            for answer in (
                client.post("/v1/uploads", content=content),
                client.patch(upload, content=content[half:], headers=rest),
                client.post("/v1/pictures", content=photo()),
            ):
                assert answer.status_code == 507 and "no space left" in answer.json()["detail"], answer.text
                assert answer.headers["content-type"] == "application/problem+json"
            assert client.head(upload, headers=TUS).headers["upload-offset"] == str(half)
            until(lambda: "put off" in serve.log, "the job is put off")
            assert client.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running")
            assert client.get(f"/v1/jobs/{job}/result").status_code == 409
            disk.free(0)
            assert client.patch(upload, content=content[half:], headers=rest).status_code == 204
            second = client.post("/v1/jobs", json={"upload": upload.rpartition("/")[2]}).json()["id"]
            assert client.post("/v1/pictures", content=photo()).status_code == 200
            assert client.get("/readyz").status_code == 200
            assert ended(client, job)["state"] == ended(client, second)["state"] == "done"
            assert at_rest(data, [job, second]) == []


def test_a_database_that_is_locked_costs_a_wait_and_nothing_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, tmp_path / "log") as (_, client):
        job = str(submitted(client, long_film(tmp_path))["id"])
        answers: list[httpx.Response] = []
        threads = [
            threading.Thread(target=lambda: answers.append(client.post("/v1/uploads", content=b"no film"))),
            threading.Thread(target=lambda: answers.append(client.post("/v1/pictures", content=photo()))),
        ]
        with closing(sqlite3.connect(data / "veilcast.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            end = time.monotonic() + LOCKED
            for thread in threads:
                thread.start()
            while time.monotonic() < end:
                assert client.get("/healthz", timeout=5).status_code == 200, "nobody else waits"
                assert client.get(f"/v1/jobs/{job}", timeout=5).status_code == 200
                time.sleep(0.2)
            other.execute("ROLLBACK")
        for thread in threads:
            thread.join(60)
        statuses = sorted(answer.status_code for answer in answers)
        assert len(statuses) == 2 and statuses[-1] == 503 and statuses[0] in (200, 201, 503), statuses
        assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
        assert ended(client, job)["state"] == "done"
        assert client.post("/v1/pictures", content=photo()).status_code == 200
        for upload in [answer.json()["id"] for answer in answers if answer.status_code == 201]:
            assert client.delete(f"/v1/uploads/{upload}").status_code == 204
        assert at_rest(data, [job]) == []


def test_asked_to_stop_it_gives_its_job_back_and_goes_on_with_it_at_the_next_start(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    with serving(data, log) as (serve, client):
        job = str(submitted(client, long_film(tmp_path))["id"])
        until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "running", "running")
        with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith(("event", ":", "data", "retry"))
            code, seconds, left = serve.stop()
        assert (code, left) == (0, []) and seconds < 10, (code, seconds, left)
        with httpx.Client(base_url=serve.start(), timeout=60) as again:
            assert again.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running")
            assert ended(again, job)["state"] == "done"
            assert at_rest(data, [job]) == []
