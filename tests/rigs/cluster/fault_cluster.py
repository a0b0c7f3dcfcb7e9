"""A whole cluster on this machine: PostgreSQL, Redis, S3, gateways and workers, each worker with wires of its own."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from streamer.service.store.blobs import Blobs
from streamer.service.store.database import Database
from tests.rigs.cluster.far_work import alive
from tests.rigs.cluster.next_version import THIS, Version
from tests.rigs.cluster.postgres_server import PostgresServer
from tests.rigs.cluster.proxy import Proxy
from tests.rigs.cluster.redis_server import RedisServer
from tests.rigs.cluster.s3_server import BUCKET, S3Server
from tests.rigs.cluster.server_process import children
from tests.rigs.deploy.name_server import NameServer
from tests.rigs.deploy.nginx_process import NginxProcess

PATIENCE: Final = 90.0
ADDRESSES: Final = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
"""Of gateways behind nginx: two that run, and those that come in their place."""
QUICK: Final = """\
detect:
  scales: [{long_side: 160}]
  second: {detector: none}
  turned_interval: 0
service: {proxies: [127.0.0.1/32]}  # from where nginx connects
"""
TOKEN: Final = "a token that no other one guesses"
_OPEN: Final = re.compile(r"open (http://\S+) in a browser")


class Node:
    """A gateway or a worker, which is killed, stopped and started again."""

    def __init__(
        self,
        name: str,
        folder: Path,
        command: Sequence[str],
        environment: dict[str, str],
        ready: str,
        version: Version = THIS,
    ) -> None:
        self.name, self._command, self._environment, self._version = name, command, environment, version
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
        root, command = self._version.root, [str(self._version.python), "-m", "tests.rigs.cluster.fault_node"]
        with self._log.open("ab") as log:
            self._begins = log.tell()
            given = {**os.environ, "PYTHONPATH": str(root), **self._environment, **environment}
            self._process = subprocess.Popen(
                [*command, *self._command], env=given, cwd=root, stderr=log, stdout=subprocess.DEVNULL
            )

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

    @property
    def address(self) -> str:
        """Of a gateway that answers."""
        return urlsplit(self.url or "").hostname or ""

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
    """A context manager; everything runs inside the block. `front`: nginx stands before its gateways."""

    def __init__(self, folder: Path, gateways: int = 2, workers: int = 2, front: bool = False) -> None:
        self.folder, self._counts, self._front = folder, (gateways, workers), front
        self.postgres, self.redis, self.s3 = PostgresServer(), RedisServer(), S3Server()
        self.gateways, self.workers, self.wires = list[Node](), list[Node](), list[Wires]()
        self._stack, self._started, self._port = ExitStack(), list[Node](), 0
        self.names: NameServer | None = None
        self._nginx: NginxProcess | None = None

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
        (self.folder / "quick.yaml").write_text(QUICK)
        for _ in range(self._counts[0]):
            self.gateways.append(self.start_gateway())
            if self._front and not self._port:  # the others take the same one, at other addresses
                self.gateways[0].wait()
                self._port = urlsplit(self.gateways[0].url or "").port or 0
        for _ in range(self._counts[1]):
            wires = Wires(self.postgres.port, self.redis.port, self.s3.port)
            for wire in (wires.postgres, wires.redis, wires.s3):
                enter(wire)
            self.wires.append(wires)
            self.workers.append(self.start_worker(wires))
        for node in (*self.gateways, *self.workers):
            node.wait()
        if self._front:
            self.names = enter(NameServer("gateway", ADDRESSES[: len(self.gateways)]))
            self._nginx = enter(NginxProcess(self.folder / "nginx", self._port, self.names.port))

    def entrance(self) -> str | None:
        """Where clients ask; None while there is nobody to ask."""
        if self._nginx is not None:
            return self._nginx.url
        running = [url for node in self.gateways if (url := node.url) is not None]
        return random.choice(running) if running else None

    def start_gateway(self, version: Version = THIS) -> Node:
        """A further one. It may not answer yet when this returns."""
        before = sum(node.name.startswith("gateway") for node in self._started)
        address = f"{ADDRESSES[before]}:{self._port}" if self._front else "127.0.0.1:0"
        command = ["serve", "--listen", address, "--config", str(self.folder / "quick.yaml")]
        return self._start("gateway", command, (self.postgres.port, self.redis.port, self.s3.port), version)

    def start_worker(self, wires: Wires, version: Version = THIS) -> Node:
        """A further one. It may not take work yet when this returns."""
        command = ["worker", "--concurrency", "1", "--pictures", "0"]
        return self._start("worker", command, (wires.postgres.port, wires.redis.port, wires.s3.port), version)

    def migrate(self, version: Version) -> None:
        """Bring the database to what another version needs, while everything runs."""
        command = [str(version.python), "-m", "streamer.cli.main", "serve", "--migrate-only"]
        place = ["--database", self.url, "--blobs", self.place]
        environment = {**os.environ, **self.s3.environment}
        subprocess.run([*command, *place], cwd=version.root, env=environment, timeout=PATIENCE, check=True)

    def _start(self, kind: str, command: list[str], ports: tuple[int, int, int], version: Version) -> Node:
        name = f"{kind}{len(self._started)}"
        data = ["--data", str(self.folder / name)]
        ready = _OPEN.pattern if kind == "gateway" else "takes messages from units"
        node = Node(name, self.folder, [*command, *data], self._environment(*ports), ready, version)
        node.spawn()
        self._started.append(node)
        self._stack.callback(node.kill)
        return node

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
            "VEILCAST_TOKEN": TOKEN,
        }


def until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait for it. Raises TimeoutError."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.1)
