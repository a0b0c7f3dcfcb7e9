"""The service is killed while it works: what was accepted is done once. `bench_service_kill` is the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs.service.kill_rig import KillPlan, KillRig

pytestmark = pytest.mark.slow


def test_a_service_that_is_killed_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    plan = KillPlan(kills=4, videos=5, pictures=20, seed=11, longest=4.0, patience=300.0, frames=(10, 25))
    report = KillRig(tmp_path, plan).run()
    assert report.faults == (), report
    assert (report.kills, report.jobs) == (4, 5) and report.audit_pictures >= 20
