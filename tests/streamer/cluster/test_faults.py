"""A whole cluster is hurt while it works: every job is done once, as if nothing had been, and nothing is left over."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from streamer.service.store.tables import JobRow
from tests.rigs.cluster.fault_cluster import FaultCluster
from tests.rigs.cluster.fault_rig import FaultRig
from tests.rigs.cluster.next_version import NEXT
from tests.rigs.cluster.postgres_server import missing_postgres
from tests.rigs.cluster.redis_server import missing_redis
from tests.rigs.deploy.nginx_process import PROGRAM as NGINX

pytestmark = pytest.mark.slow


def test_jobs_outlive_a_worker_what_redis_knew_and_a_restart_of_the_database(tmp_path: Path) -> None:
    if reason := missing_postgres() or missing_redis():
        pytest.skip(reason)
    with FaultCluster(tmp_path) as cluster:
        rig = FaultRig(cluster, tmp_path, jobs=4, seed=1)
        for fault in ("nothing", "worker killed", "Redis flushed", "PostgreSQL restarted"):
            report = rig.round(fault, 0)
            assert not report.faults, report


@pytest.mark.timeout(300)
def test_a_change_of_the_version_under_load_is_not_noticed(tmp_path: Path) -> None:
    """Node by node, while jobs are sent through nginx without a pause: no request is refused, and no job is lost."""
    if reason := missing_postgres() or missing_redis():
        pytest.skip(reason)
    if NGINX is None:
        pytest.skip("needs nginx")
    with FaultCluster(tmp_path, front=True) as cluster:
        rig = FaultRig(cluster, tmp_path, jobs=5, seed=1, clients=4)
        report = rig.round("rolling change", 0)
        assert not report.faults, report
        with cluster.database.reading() as session:
            made_by = {engine.split()[0] for engine in session.scalars(select(JobRow.engine))}
    assert len(made_by) == 2 and NEXT in made_by, "jobs were taken in and done by both versions"
