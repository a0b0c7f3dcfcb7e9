"""What goes wrong in a cluster: each fault is done and healed by one call."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.cluster.app import celery_app
from streamer.cluster.sending import Sending
from streamer.service.jobs.ending import Farewell
from streamer.service.jobs.leases import Leases
from tests.rigs.cluster.fault_cluster import FaultCluster, Node
from tests.rigs.cluster.fault_node import LEASE
from tests.rigs.cluster.next_version import next_version
from tests.rigs.cluster.proxy import Proxy
from tests.rigs.cluster.server_process import ServerProcess

AWAY: Final = 4.0
LONG: Final = LEASE + 5.0
SKEW: Final = 60
NOTICED: Final = 4.0
"""Seconds after which nginx knows the gateways that there are now."""
BESIDE: Final = 5.0
"""Seconds that workers of two versions work side by side."""
_FAKETIME: Final = "/usr/lib/*/faketime/libfaketime.so.1"


@dataclass(frozen=True, slots=True)
class Hurt:
    """What a fault is done to. `victim`: a worker and its wires, by number; `odd`: every other time."""

    cluster: FaultCluster
    victim: int
    odd: bool

    @property
    def worker(self) -> Node:
        """The one that is hit."""
        return self.cluster.workers[self.victim]


def nothing(_hurt: Hurt) -> None:
    """For comparison."""


def worker_killed(hurt: Hurt) -> None:
    """The node's first process alone, or all of them."""
    if hurt.odd:
        hurt.worker.signal(signal.SIGKILL)
    hurt.worker.kill()
    time.sleep(AWAY if hurt.odd else 0.0)
    hurt.worker.spawn()
    hurt.worker.wait()


def worker_stopped(hurt: Hurt) -> None:
    """SIGSTOP for longer than its lease: it goes on and finds that its step is another one's."""
    hurt.worker.signal(signal.SIGSTOP)
    time.sleep(LONG)
    hurt.worker.signal(signal.SIGCONT)


def gateway_killed(hurt: Hurt) -> None:
    """One of them; clients ask the other."""
    gateway = hurt.cluster.gateways[hurt.victim % len(hurt.cluster.gateways)]
    gateway.kill()
    time.sleep(AWAY)
    gateway.spawn()
    gateway.wait()


def redis_killed(hurt: Hurt) -> None:
    """And started again, empty."""
    hurt.cluster.redis.kill()
    time.sleep(AWAY)
    hurt.cluster.redis.start()


def redis_flushed(hurt: Hurt) -> None:
    """FLUSHALL."""
    with hurt.cluster.redis.client() as client:
        client.flushall()


def redis_restarted(hurt: Hurt) -> None:
    """SIGTERM, and started again at once, empty."""
    hurt.cluster.redis.restart()


def postgres_restarted(hurt: Hurt) -> None:
    """In the middle of transactions."""
    if hurt.odd:
        hurt.cluster.postgres.kill()
        time.sleep(AWAY)
        hurt.cluster.postgres.start()
    else:
        hurt.cluster.postgres.restart()


def s3_away(hurt: Hurt) -> None:
    """It stops for longer than a lease, or is killed and comes back with what it had."""
    if hurt.odd:
        hurt.cluster.s3.kill()
        time.sleep(AWAY)
        hurt.cluster.s3.start()
    else:
        _paused(hurt.cluster.s3)


def cut_from_postgres(hurt: Hurt) -> None:
    """One worker."""
    _cut(hurt.cluster.wires[hurt.victim].postgres, hurt.odd)


def cut_from_redis(hurt: Hurt) -> None:
    """One worker."""
    _cut(hurt.cluster.wires[hurt.victim].redis, hurt.odd)


def cut_from_s3(hurt: Hurt) -> None:
    """One worker."""
    _cut(hurt.cluster.wires[hurt.victim].s3, hurt.odd)


def two_sweeps(hurt: Hurt) -> None:
    """As if the sweep's lock did not hold: everything free is rung for twice, after Redis has forgotten all."""
    redis_flushed(hurt)
    cluster, start = hurt.cluster, threading.Barrier(2)
    leases = Leases(cluster.database, cluster.blobs, Farewell(3600.0))

    def sweep() -> None:
        start.wait(30)
        Sending(celery_app(cluster.redis.url)).steps(leases.free(1000))

    threads = [threading.Thread(target=sweep, name=f"sweep{number}") for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def clocks_apart(hurt: Hurt) -> None:
    """A worker is a minute ahead and a gateway a minute behind; both are started anew for it."""
    library = next(Path("/").glob(_FAKETIME.lstrip("/")))
    gateway = hurt.cluster.gateways[0]
    for node, ahead in ((hurt.worker, SKEW), (gateway, -SKEW)):
        node.kill()
        node.spawn(LD_PRELOAD=str(library), FAKETIME=f"{ahead:+d}", FAKETIME_DONT_FAKE_MONOTONIC="1")
    hurt.worker.wait()
    gateway.wait()


def rolling_change(hurt: Hurt) -> None:
    """From this version to the next, a node at a time, as an orchestrator does it; needs nginx in front.

    The tables are changed first. The first gateway is taken out of the name service before it goes; the second one
    is still named while it stops, as in Docker Compose.
    """
    cluster, after = hurt.cluster, next_version(hurt.cluster.folder / "next")
    assert cluster.names is not None, "nobody stands before the gateways"
    cluster.migrate(after)
    for number, old in enumerate(cluster.gateways):
        new = cluster.start_gateway(after)
        new.wait()
        cluster.gateways[number] = new
        named = tuple(node.address for node in cluster.gateways)
        cluster.names.addresses = named if number == 0 else (*named, old.address)
        time.sleep(NOTICED)
        code = old.stop()
        assert code == 0, f"{old.name} ended with {code}: {old.log[-2000:]}"
        cluster.names.addresses = named
    for number, old in enumerate(cluster.workers):
        cluster.workers[number] = cluster.start_worker(cluster.wires[number], after)
        cluster.workers[number].wait()
        time.sleep(BESIDE)
        code = old.stop()
        assert code == 0, f"{old.name} ended with {code}: {old.log[-2000:]}"


Fault = Callable[[Hurt], None]
FAULTS: Final[dict[str, Fault]] = {
    "nothing": nothing,
    "worker killed": worker_killed,
    "worker stopped": worker_stopped,
    "gateway killed": gateway_killed,
    "Redis killed": redis_killed,
    "Redis flushed": redis_flushed,
    "Redis restarted": redis_restarted,
    "PostgreSQL restarted": postgres_restarted,
    "S3 away": s3_away,
    "worker cut from PostgreSQL": cut_from_postgres,
    "worker cut from Redis": cut_from_redis,
    "worker cut from S3": cut_from_s3,
    "two sweeps at once": two_sweeps,
    "clocks a minute apart": clocks_apart,
}
PLANNED: Final[dict[str, Fault]] = {"rolling change": rolling_change}
"""What is no fault: clients may not even notice it."""


def _cut(wire: Proxy, odd: bool) -> None:
    wire.be("refused" if odd else "silent")
    time.sleep(LONG)
    wire.be("whole")


def _paused(server: ServerProcess) -> None:
    with server.paused():
        time.sleep(LONG)
