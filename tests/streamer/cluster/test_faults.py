"""A whole cluster is hurt while it works: every job is done once, as if nothing had been, and nothing is left over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs.cluster.fault_cluster import FaultCluster
from tests.rigs.cluster.fault_rig import FaultRig
from tests.rigs.cluster.postgres_server import missing_postgres
from tests.rigs.cluster.redis_server import missing_redis

pytestmark = pytest.mark.slow


def test_jobs_outlive_a_worker_what_redis_knew_and_a_restart_of_the_database(tmp_path: Path) -> None:
    if reason := missing_postgres() or missing_redis():
        pytest.skip(reason)
    with FaultCluster(tmp_path) as cluster:
        rig = FaultRig(cluster, tmp_path, jobs=4, seed=1)
        for fault in ("nothing", "worker killed", "Redis flushed", "PostgreSQL restarted"):
            report = rig.round(fault, 0)
            assert not report.faults, report
