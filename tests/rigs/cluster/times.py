"""How long each part of the work takes: measured, and kept in `tests/bench/cluster_times.json`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parents[2] / "bench" / "cluster_times.json"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one core unless it says otherwise."""

    picture: float
    """Masking a picture in a process that is ready for it, on average."""
    picture_spread: float
    """Its standard deviation, as a share of the average."""
    picture_http: float
    """What the gateway spends on it besides: HTTP, cache, audit log."""
    step: float
    """What every step of a job costs: claim, process, models, settling."""
    second: float
    """Masking and encoding one second of video."""
    second_spread: float
    """Standard deviation of that from unit to unit, as a share of the average."""
    plan_second: float
    """Reading the index, for each second of video."""
    join_second: float
    """Joining, for each second of video."""
    upload_mb: float
    """What a gateway spends on a megabyte of an upload, S3 included."""
    fetch_mb: float
    """Waiting for a megabyte from S3 (no core is busy)."""
    store_mb: float
    """The same for a megabyte to S3."""
    services_step: float
    """What PostgreSQL, Redis and S3 spend on a step."""
    ring: float
    """From a step that can be done until an idle worker has claimed it (no core is busy)."""
    write: float
    """A transaction of PostgreSQL that writes holds the only writer's lock for so long."""
    picture_writes: float
    """Transactions that write, for each picture."""
    job_writes: float
    """The same for each job, from upload to result."""
    step_writes: float
    """The same for each step."""
    beat_writes: float
    """The same for each second that a step takes."""
    picture_reads: float
    """Transactions that only read, for each picture."""
    look_reads: float
    """The same for each second that a step takes: was its job cancelled?"""
    messages: float
    """Commands of Redis for each step."""

    @classmethod
    def from_file(cls, path: Path = FILE) -> Times:
        """As `to_file` wrote it. Raises OSError, ValueError, TypeError."""
        return cls(**json.loads(path.read_text("utf-8"))["times"])

    def to_file(self, how: str, path: Path = FILE) -> None:
        """`how`: where and when they were measured."""
        told = {"measured": how, "times": {key: round(value, 6) for key, value in dataclasses.asdict(self).items()}}
        path.write_text(json.dumps(told, indent=2) + "\n", "utf-8")
