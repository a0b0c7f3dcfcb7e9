"""A whole cluster on this machine: PostgreSQL, Redis, S3, gateways and workers, each worker with wires of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from tests.rigs.cluster.far_work import alive
from tests.rigs.cluster.postgres_server import PostgresServer
from tests.rigs.cluster.proxy import Proxy
from tests.rigs.cluster.redis_server import RedisServer
from tests.rigs.cluster.s3_server import BUCKET, S3Server
from tests.rigs.cluster.server_process import children

PATIENCE: Final = 90.0
ROOT: Final = Path(__file__).parents[3]
QUICK: Final = """\
detect:
  scales: [{long_side: 160}]
  second: {detector: none}
  turned_interval: 0
"""
_OPEN: Final = re.compile(r"open (http://\S+) in a browser")


class Node:
    """A gateway or a worker, which is killed, stopped and started again."""

    def __init__(self, name: str, folder: Path, command: list[str], environment: dict[str, str], ready: str) -> None:
        self.name, self._command, self._environment = name, command, environment
        self._log, self._ready, self._begins = folder / f"{name}.log", re.compile(ready), 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has said since its last start."""
        return self._log.read_bytes()[self._begins :].decode("utf-8", "replace")

    @property
    def url(self) -> str | None:
        """Where a gateway answers; None while it does not run."""
        found = None if self._process is None else _OPEN.search(self.log)
        return None if found is None else found[1].rstrip("/")

    @property
    def claims_as(self) -> str:
        """What the names of a worker's processes begin with."""
        assert self._process is not None
        return f"{os.uname().nodename[:40]}-{self._process.pid}-"

    def spawn(self, **environment: str) -> None:
        """Start it; `environment`: this time only."""
        command = [sys.executable, "-m", "tests.rigs.cluster.fault_node", *self._command]
        with self._log.open("ab") as log:
            self._begins = log.tell()
            given = {**os.environ, "PYTHONPATH": str(ROOT), **self._environment, **environment}
            self._process = subprocess.Popen(command, env=given, cwd=ROOT, stderr=log, stdout=subprocess.DEVNULL)

    def wait(self) -> None:
        """Until it works."""
        end = time.monotonic() + PATIENCE
        while not self._ready.search(self.log):
            assert self._process is not None and self._process.poll() is None, f"it ended: {self.log[-3000:]}"
            assert time.monotonic() < end, f"it does not start: {self.log[-3000:]}"
            time.sleep(0.05)

    def ended(self) -> bool:
        """Whether it has ended by itself, which no fault is a reason for."""
        return self._process is not None and self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """To it and all its processes."""
        for pid in self._all():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """SIGKILL to the first of its processes. Raises AssertionError if others outlive it."""
        if self._process is None:
            return
        left, process = self._all(), self._process
        self._process = None
        process.kill()
        process.wait(PATIENCE)
        end = time.monotonic() + PATIENCE
        while any(alive(pid) for pid in left):
            assert time.monotonic() < end, "processes live on"
            time.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(PATIENCE)

    def _all(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid, *children(self._process.pid)]


class Wires:
    """Of one worker: to the database, the queues and the files."""

    def __init__(self, postgres: int, redis: int, s3: int) -> None:
        self.postgres, self.redis, self.s3 = Proxy(postgres), Proxy(redis), Proxy(s3)


class FaultCluster:
    """A context manager; everything runs inside the block."""

    def __init__(self, folder: Path, gateways: int = 2, workers: int = 2) -> None:
        self.folder, self._counts = folder, (gateways, workers)
        self.postgres, self.redis, self.s3 = PostgresServer(), RedisServer(), S3Server()
        self.gateways, self.workers, self.wires = list[Node](), list[Node](), list[Wires]()
        self._stack = ExitStack()

    def __enter__(self) -> FaultCluster:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _open(self) -> None:
        enter = self._stack.enter_context
        for server in (self.postgres, self.redis, self.s3):
            enter(server)
        self.url, self.place = self.postgres.new_database(), self.s3.new_place()
        self.database = Database(self.url)
        self.database.migrate()
        self._stack.callback(self.database.close)
        self.blobs = Blobs.at(self.place, self.s3.environment)
        config = self.folder / "quick.yaml"
        config.write_text(QUICK)
        near = self._environment(self.postgres.port, self.redis.port, self.s3.port)
        for number in range(self._counts[0]):
            data, name = str(self.folder / f"g{number}"), f"gateway{number}"
            command = ["serve", "--listen", "127.0.0.1:0", "--data", data, "--config", str(config)]
            self.gateways.append(Node(name, self.folder, command, near, _OPEN.pattern))
        for number in range(self._counts[1]):
            wires = Wires(self.postgres.port, self.redis.port, self.s3.port)
            for wire in (wires.postgres, wires.redis, wires.s3):
                enter(wire)
            self.wires.append(wires)
            command = ["worker", "--data", str(self.folder / f"w{number}"), "--concurrency", "1", "--pictures", "0"]
            far = self._environment(wires.postgres.port, wires.redis.port, wires.s3.port)
            self.workers.append(Node(f"worker{number}", self.folder, command, far, "takes messages from units"))
        for node in (*self.gateways, *self.workers):
            node.spawn()
            self._stack.callback(node.kill)
        for node in (*self.gateways, *self.workers):
            node.wait()

    def stored_files(self) -> list[Path]:
        """Files that the S3 server keeps for us on its disk; none if it keeps them elsewhere."""
        root = self.s3.folder / "objects" / BUCKET
        return [path for path in root.rglob("*") if path.is_file()] if root.exists() else []

    def _environment(self, postgres: int, redis: int, s3: int) -> dict[str, str]:
        return {
            **self.s3.environment,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3}",
            "VEILCAST_DATABASE": self.url.replace(f":{self.postgres.port}/", f":{postgres}/"),
            "VEILCAST_BLOBS": self.place,
            "VEILCAST_BROKER": f"redis://127.0.0.1:{redis}/0",
        }


def until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait for it. Raises TimeoutError."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.1)
