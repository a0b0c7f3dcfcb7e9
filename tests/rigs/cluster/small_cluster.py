"""A whole cluster on this machine: a core for each worker, and all the rest on the first one's."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from tests.rigs.cluster.measuring import SHORT, frames, repeated
from tests.rigs.cluster.postgres_server import PostgresServer
from tests.rigs.cluster.redis_server import RedisServer
from tests.rigs.cluster.s3_server import S3Server
from tests.rigs.cluster.server_process import children
from tests.rigs.cluster.times import Times
from tests.rigs.service.picture_clients import Told, send_all
from tests.rigs.service.serve_process import PROGRAM, ServeProcess

PATIENCE: Final = 7200.0  # s
_TICK: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run took: seconds from its begin to the end of all, for each picture, and for each job."""

    seconds: float
    pictures: tuple[float, ...]
    waits: tuple[float, ...]
    """Until jobs began."""
    times: tuple[float, ...]
    """Until they were done."""


class SmallCluster:
    """PostgreSQL, S3, Redis, one gateway and some workers, as processes of their own."""

    def __init__(
        self, url: str, services: Sequence[int], gateway: int, headers: Mapping[str, str] | None = None
    ) -> None:
        """`services`: first process of each. `headers`: of every request, such as a token."""
        self.url, self._headers = url, dict(headers or {})
        self._services, self._gateway = services, gateway

    def send(self, video: Path) -> str:
        """Upload a video; returns the upload."""
        with video.open("rb") as file:
            answer = httpx.post(
                f"{self.url}/v1/uploads", content=file, headers=self._headers, timeout=600
            ).raise_for_status()
        return str(answer.json()["id"])

    def submit(self, upload: str) -> str:
        """A job."""
        body = {"upload": upload, "settings": {}}
        answer = httpx.post(f"{self.url}/v1/jobs", json=body, headers=self._headers, timeout=60)
        return str(answer.raise_for_status().json()["id"])

    def ended(self, job: str) -> dict[str, Any]:
        """The job once it has ended."""
        end = time.monotonic() + PATIENCE
        while True:
            told: dict[str, Any] = httpx.get(f"{self.url}/v1/jobs/{job}", headers=self._headers, timeout=60).json()
            if told["state"] not in ("queued", "running"):
                assert told["state"] == "done", told["reason"]
                return told
            assert time.monotonic() < end, "the job does not end"
            time.sleep(0.5)

    def run(self, videos: Sequence[Path], pictures: Sequence[bytes], clients: int) -> Ran:
        """All jobs and the first pictures at once; the videos have been uploaded before."""
        uploads = [self.send(video) for video in videos]
        begun = time.monotonic()
        jobs = [self.submit(upload) for upload in uploads]
        told: list[Told] = send_all(f"{self.url}/v1/pictures", list(pictures), clients) if pictures else []
        assert {each.status for each in told} <= {200}
        sent = time.monotonic() - begun
        found = [self.ended(job) for job in jobs]
        times = tuple(_between(job, "created", "ended") for job in found)
        waits = tuple(_between(job, "created", "started") for job in found)
        return Ran(max(sent, *times) if times else sent, tuple(each.seconds for each in told), waits, times)

    def calibrated(self, clip: Path, folder: Path, times: Times) -> Times:
        """The same with what only a cluster tells: steps, services, rings, and pictures over HTTP, one at a time."""
        short = repeated(clip, folder / "short.mp4", SHORT)
        jobs, spent = list[dict[str, Any]](), self._spent()
        for number in range(4):
            with short.open("ab") as file:
                file.write(bytes([number]))  # behind its end: the same file would be answered from what is known
            jobs.append(self.ended(self.submit(self.send(short))))
        services = (self._spent() - spent) / len(jobs)
        took = statistics.median(_between(job, "started", "ended") for job in jobs[1:])
        told = send_all(f"{self.url}/v1/pictures", frames(short, 8), 1)
        picture = statistics.median(each.seconds for each in told[1:])
        return dataclasses.replace(
            times,
            step=max(0.1, took - SHORT * times.second),
            services_step=services,
            ring=statistics.median(_between(job, "created", "started") for job in jobs[1:]),
            picture_http=max(0.0, picture - times.picture),
            upload_mb=0.0,
        )

    def _spent(self) -> float:
        """CPU seconds of the services and the gateway, without those that mask pictures."""
        pids = [pid for service in self._services for pid in (service, *children(service))]
        return sum(_cpu(pid) for pid in (*pids, self._gateway))


@contextmanager
def small_cluster(folder: Path, workers: int) -> Iterator[SmallCluster]:
    """A fresh one. This process, too, is on the first core meanwhile. Secrets come from files."""
    before = os.sched_getaffinity(0)
    cores = sorted(before)
    assert workers <= len(cores), "a worker needs a core of its own"
    os.sched_setaffinity(0, cores[:1])
    folder.mkdir()
    try:
        with ExitStack() as stack:
            servers = postgres, s3, redis = PostgresServer(), S3Server(), RedisServer()
            for server in servers:
                stack.enter_context(server)
            secrets = {"VEILCAST_DATABASE": postgres.new_database(), "VEILCAST_BROKER": redis.url} | s3.environment
            environment = {"VEILCAST_BLOBS": s3.new_place()}
            for name, value in secrets.items():
                (folder / name).write_text(value, "utf-8")
                environment[f"{name}_FILE"] = str(folder / name)
            environment |= {name: s3.environment[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION")}
            stack.enter_context(environment_with(environment))
            settings = folder / "settings.yaml"
            settings.write_text("service: {picture_workers: 1, picture_queue: 1000}", "utf-8")
            gateway = ServeProcess(folder / "gateway", folder / "gateway.log", "--config", str(settings))
            stack.enter_context(gateway)
            url = gateway.start()
            for number in range(workers):
                pinned = "taskset", "-c", str(cores[number])
                stack.enter_context(worker_process(folder / f"worker-{number}", pinned))
            pids = [each.pid for each in servers]
            yield SmallCluster(url, pids, gateway.pid)
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def worker_process(folder: Path, prefix: Sequence[str] = ()) -> Iterator[None]:
    """`veilcast worker` with one step at a time, whose backends the environment names; inside, it takes messages.

    `prefix`: a command that becomes the worker.
    """
    folder.mkdir()
    log = folder / "log"
    options = ["--data", str(folder / "data"), "--concurrency", "1", "--pictures", "0"]
    with log.open("wb") as file:
        process = subprocess.Popen([*prefix, str(PROGRAM), "worker", *options], stderr=file)
    try:
        end = time.monotonic() + 60
        while not re.search("takes messages", log.read_text("utf-8", "replace")):
            assert process.poll() is None and time.monotonic() < end, log.read_text("utf-8", "replace")[-2000:]
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait(30)


@contextmanager
def environment_with(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables that this process and those that it starts have inside the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _between(job: Mapping[str, Any], first: str, last: str) -> float:
    return _seconds(job[last]) - _seconds(job[first])


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _cpu(pid: int) -> float:
    """Of the process and its children that have ended."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(parts[index]) for index in range(11, 15)) / _TICK
