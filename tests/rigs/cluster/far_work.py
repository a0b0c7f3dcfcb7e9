"""Jobs on PostgreSQL and a folder of files, told of through Redis, and workers in processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.cluster.gateway import BrokerLink
from streamer.service.access.caller import Caller, Role
from streamer.service.jobs.ending import Farewell
from streamer.service.jobs.job import Job
from streamer.service.jobs.jobs import Jobs
from streamer.service.jobs.leases import Leases
from streamer.service.jobs.settings import JobSettings
from streamer.service.jobs.step import StepId, StepKind
from streamer.service.jobs.uploads import Uploads
from streamer.service.pictures.elsewhere import AskedPictures
from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from streamer.settings.file import Settings
from tests.rigs.cluster.server_process import children

ANNA = Caller("a" * 32, frozenset({Role.SUBMIT}), "127.0.0.1")
ROOT = Path(__file__).parents[3]
PATIENCE = 90.0


class Office:
    """Takes jobs in as a gateway does, and tells of them through Redis."""

    def __init__(self, database: str, folder: Path, broker: str) -> None:
        self.address, self.folder, self.broker = database, folder, broker
        self.database = Database(database)
        self.database.migrate()
        self.blobs = Blobs.at(str(folder / "blobs"))
        farewell = Farewell(1000.0)
        base = Settings().model_dump_json()
        self.uploads = Uploads(self.database, self.blobs, 1 << 30)
        self.jobs = Jobs(self.database, self.blobs, 1000.0, lambda _: "engine 1", farewell, base=base)
        self.leases = Leases(self.database, self.blobs, farewell)
        self.asked = AskedPictures(self.database, self.blobs)
        self.link = BrokerLink(broker)
        self.link.open(self.database, self.leases, self.asked)

    def close(self) -> None:
        self.link.close()
        self.database.close()

    def submit(self, content: str, ring: bool = True) -> str:
        """A job; the workers are told of it, unless that message is to be lost."""
        upload = self.uploads.begin(ANNA, len(content))
        self.uploads.append(ANNA, upload.id, 0, content.encode())
        self.uploads.finish(ANNA, upload.id)
        job = self.jobs.submit(ANNA, upload.id, JobSettings()).job.id
        if ring:
            self.link.ring(StepId(job, StepKind.WHOLE))
        return job

    def until(self, job: str, good: Callable[[Job], bool] = lambda job: not job.active) -> Job:
        """The job once it is as wanted: ended, unless something else is."""
        end = time.monotonic() + PATIENCE
        while not good(found := self.jobs.get(ANNA, job)):
            assert time.monotonic() < end, f"still {found}"
            time.sleep(0.05)
        return found

    def result(self, job: str) -> bytes:
        """What became of it, once it has ended well."""
        found = self.until(job)
        assert found.result is not None, found.reason
        return b"".join(self.blobs.read(found.result.blob))

    @contextmanager
    def worker(self, name: str = "w", *options: str, ready: int = 1) -> Iterator[WorkerProcess]:
        """A worker that runs inside the block, once so many of its Celery processes take messages."""
        process = WorkerProcess(self, name, *options)
        try:
            process.wait_for("takes messages", ready)
            yield process
        finally:
            process.kill()


class WorkerProcess:
    """`veilcast worker` with short times."""

    def __init__(self, office: Office, name: str, *options: str) -> None:
        self._log = office.folder / f"{name}.log"
        command = [
            sys.executable,
            "-m",
            "tests.rigs.cluster.fast_worker",
            "worker",
            "--data",
            str(office.folder / name),
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "VEILCAST_DATABASE": office.address,
            "VEILCAST_BLOBS": str(office.folder / "blobs"),
            "VEILCAST_BROKER": office.broker,
        }
        given = options or ("--concurrency", "1", "--pictures", "0")
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([*command, *given], env=environment, stderr=log, cwd=ROOT)

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text("utf-8", "replace")

    def wait_for(self, pattern: str, times: int = 1) -> None:
        """Wait until it has said this so many times."""
        end = time.monotonic() + PATIENCE
        while len(re.findall(pattern, self.log)) < times:
            assert self.process.poll() is None and time.monotonic() < end, self.log[-3000:]
            time.sleep(0.05)

    def all(self) -> list[int]:
        """It and all its processes."""
        return [self.process.pid, *children(self.process.pid)]

    def signal(self, number: signal.Signals) -> None:
        """To all of them."""
        for pid in self.all():
            os.kill(pid, number)

    def terminate(self) -> None:
        """SIGTERM, as a machine does that stops."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the first of them, and wait until all are gone."""
        left = self.all() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait(PATIENCE)
        end = time.monotonic() + PATIENCE
        while any(alive(pid) for pid in left):
            assert time.monotonic() < end, "processes live on"
            time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process has not ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
