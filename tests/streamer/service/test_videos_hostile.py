"""Damaged videos in short: each job ends, with a masked film or a reason, and nothing is left of any."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.fuzz.seeds import SEEDS, cache
from tests.bench.fuzz.service_runs import job_processes, job_runs
from tests.rigs.service.running import photo, running_service

RUNS = 12
FIRST = 30_000
"""Beyond those of the long run, and of the short one without a service."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_damaged_videos(tmp_path: Path) -> None:
    # The seed and the kind of damage both change from one to the next.
    numbers = [FIRST + (len(SEEDS) + 1) * number for number in range(RUNS)]
    data = tmp_path / "data"
    with running_service(data) as client, job_runs(client, cache(), tmp_path / "runs") as runs:
        found = [runs.run(number) for number in numbers]
        assert [each for each in found if each.wrong] == []
        assert {each.state for each in found} == {"done", "failed"} and any(each.looked for each in found)
        assert client.post("/v1/pictures", content=photo(0.25)).status_code == 200
        assert client.get("/readyz").json()["ready"]
        left = [path for path in data.rglob("*") if path.is_file() and "work" in path.parts]
        assert (left, job_processes()) == ([], [])
